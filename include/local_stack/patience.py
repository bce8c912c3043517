"""Limits for whoever waits on a machine that has more to do: a second counts by what a program gets of it."""

from __future__ import annotations

import os
import time
from pathlib import Path

LOAD = Path("/proc/loadavg")


class Patience:
    """A limit of so many seconds of a machine that has nothing else to do.

    While more programs want to run than there are processors, a second counts by the share of one that each gets. So
    whoever is slow because others run is waited for, and whoever hangs is not, as soon as the others rest.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._begun = self._looked = time.monotonic()
        self._used, self._most = 0.0, 0

    def is_over(self) -> bool:
        """Whether the limit is reached; to be asked again and again, a few times a second."""
        now, running = time.monotonic(), count_running()
        self._used += (now - self._looked) * min(1.0, count_processors() / max(1, running))
        self._looked, self._most = now, max(self._most, running)
        return self._used > self.seconds

    def describe(self) -> str:
        """Say how long was waited, and why that was longer than the limit, if it was."""
        waited = time.monotonic() - self._begun
        if waited < self.seconds * 1.2 + 1 or self._most <= count_processors():
            return f"{waited:.0f} s"
        return f"{waited:.0f} s ({self._most} programs wanted to run on {count_processors()} processors)"


def count_running() -> int:
    """Count the programs that run or want to; 1 where the system does not say."""
    try:
        return int(LOAD.read_text().split()[3].partition("/")[0])
    except (OSError, IndexError, ValueError):
        return 1


def count_processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
