"""Spreads calls over seconds, because a plan without a limit has one: the vendor's fair use."""

from __future__ import annotations

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Redis and its limits load only where calls are counted
    from include.surveillance.polygon.rate_limit import RateLimit

# A little more than a second: two calls need not be equally long on their way.
WINDOW_SECONDS = 1.05


class Pace:
    """Lets ``calls`` of this process through in any second, and makes those beyond wait their turn. Threads share it.

    The first of a burst go at once: who polls few symbols never waits.

    Args:
        calls: of this process.
        shared: counts the calls of all processes that use one key, in a window of a second; None for this one alone.
    """

    def __init__(self, calls: int, shared: RateLimit | None = None):
        self._turns: deque[float] = deque(maxlen=calls)
        self._taking = Lock()
        self._shared = shared

    def wait(self) -> None:
        """Return when the call may go out."""
        with self._taking:
            now = turn = time.monotonic()
            if len(self._turns) == self._turns.maxlen:
                turn = max(now, self._turns[0] + WINDOW_SECONDS)
            self._turns.append(turn)
        if turn > now:
            time.sleep(turn - now)
        while self._shared and (seconds := self._shared.take()):
            time.sleep(seconds)
