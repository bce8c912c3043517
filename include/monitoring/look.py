"""Looks at one part of the platform, again and again; one that hangs or fails hangs and fails alone."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod

from include.monitoring.catalogue import Catalogue

LOG = logging.getLogger(__name__)


class Look(ABC):
    """What is looked at.

    Attributes:
        part: its name, the label of ``surveillance_look_timestamp_seconds``.
        every: seconds between two looks.
    """

    part: str
    every: float

    @abstractmethod
    def look(self, now: float) -> None:
        """Measure at ``now``, epoch seconds, and set the metrics.

        Raises:
            Exception: the part does not answer; what it said last stays, and grows old.
        """


def repeat(look: Look, catalogue: Catalogue, stop: threading.Event) -> None:
    """Look until ``stop`` is set; say of failures that follow each other only the first."""
    failing = False
    while not stop.is_set():
        begun = time.time()
        try:
            look.look(begun)
        except Exception as error:  # noqa: BLE001 - whatever a client raises, the next look may work
            if not failing:
                LOG.warning("%s: %s", look.part, str(error).strip().partition("\n")[0] or type(error).__name__)
            failing = True
        else:
            if failing:
                LOG.info("%s answers again", look.part)
            failing = False
            catalogue.looked.labels(look.part).set(begun)
        stop.wait(max(0.1, look.every - (time.time() - begun)))
