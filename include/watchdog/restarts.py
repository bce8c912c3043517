"""Lets a component of Airflow that stands still be started anew, after people were told.

Databases and Kafka are left to people: one that does not answer may be recovering.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence

from include.watchdog.causes import AIRFLOW, WORKERS

LOG = logging.getLogger(__name__)
RESTARTED = {*AIRFLOW, *WORKERS}
# People were told of it for so long: by then a busy moment is over.
AFTER_SECONDS = 60.0
# As long as a component may take to start on a busy machine.
AGAIN_SECONDS = 600.0


class Restarter:
    """Runs ``command`` with the name of a component behind it; nobody waits for its end."""

    def __init__(self, command: Sequence[str]):
        self._command, self._due = tuple(command), dict[str, float]()
        self._running: list[subprocess.Popen[bytes]] = []

    def restart(self, component: str, told_at: float, now: float) -> None:
        """Start a component anew of which people know for a minute, at most every ten minutes."""
        self._running = [it for it in self._running if it.poll() is None]
        if not self._command or component not in RESTARTED or self._due.get(component, told_at + AFTER_SECONDS) > now:
            return
        self._due[component] = now + AGAIN_SECONDS
        LOG.warning("starts %s anew", component)
        try:
            self._running.append(subprocess.Popen([*self._command, component], stdin=subprocess.DEVNULL))
        except OSError as error:
            LOG.error("%s cannot be started anew: %s", component, error)
