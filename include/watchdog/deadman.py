"""Pings an address while all is well. Whoever is there tells people when the pings stop, also at night."""

from __future__ import annotations

import logging

import requests

LOG = logging.getLogger(__name__)
EVERY_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0


class DeadMan:
    """Pings ``url`` once a minute, as long as somebody says that all is well; that a ping fails is logged once."""

    def __init__(self, url: str):
        self._url, self._due, self._failing = url, 0.0, False

    def ping(self, now: float) -> None:
        """Ping if a ping is due at ``now``."""
        if not self._url or now < self._due:
            return
        self._due = now + EVERY_SECONDS
        # Without the address: whoever knows it can ping, too.
        try:
            answer = requests.get(self._url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True)
            answer.close()
            problem = "" if 200 <= answer.status_code < 300 else f"answers {answer.status_code}"
        except (OSError, ValueError) as error:
            problem = f"is not reachable: {type(error).__name__}"
        if problem and not self._failing:
            LOG.error("DEADMAN_URL %s; people may be told that the platform is dead", problem)
        elif self._failing and not problem:
            LOG.warning("DEADMAN_URL is pinged again")
        self._failing = bool(problem)
