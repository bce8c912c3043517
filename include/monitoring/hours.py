"""Knows when the calendar wants polls, without the calendar's library in memory: a process of its own lists them."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from include.monitoring.catalogue import Catalogue
from include.monitoring.look import Look

DAYS = 14
# The first polls after an open have their time.
GRACE_SECONDS = 120
RENEW_SECONDS = 6 * 3_600


class Hours(Look):
    """Says whether polls are due."""

    part, every = "calendar", 10.0

    def __init__(self, catalogue: Catalogue):
        self._catalogue = catalogue
        self._hours: list[tuple[int, int]] = []
        self._listed = float("-inf")

    def look(self, now: float) -> None:
        if now - self._listed > RENEW_SECONDS:
            command = ["nice", sys.executable, "-m", "include.monitoring.hours"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
            self._hours, self._listed = json.loads(said), now
        due = any(opens + GRACE_SECONDS * 1_000 <= now * 1_000 < closes for opens, closes in self._hours)
        self._catalogue.polling_open.set(due)


def list_hours(now_ms: int) -> list[tuple[int, int]]:
    """List open and close of each session from yesterday on, UTC epoch ms."""
    from include.surveillance.sessions import Sessions  # loads pandas
    from include.surveillance.settings import Settings
    from include.surveillance.timespans import DAY_MS

    settings = Settings.from_env()
    sessions = Sessions(settings.poll_calendar, settings.market_shift_ms)
    days = (sessions.at_or_before(now_ms + day * DAY_MS) for day in range(-1, DAYS))
    # A market that never closes has one session after the other: they are one, without a grace between.
    joined: list[tuple[int, int]] = []
    for opens, closes in sorted({(it.open_ms, it.close_ms) for it in days if it is not None}):
        if joined and opens <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(closes, joined[-1][1])
        else:
            joined.append((opens, closes))
    return joined


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list_hours(round(time.time() * 1_000))))
