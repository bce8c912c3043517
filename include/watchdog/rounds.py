"""Makes all checks look at once and waits for none of them too long."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from include.watchdog.causes import Sight
from include.watchdog.checks import Check

LOG = logging.getLogger(__name__)
# What a round waits for; a look that takes longer goes on by itself, and says nothing until then.
WAIT_SECONDS = 20.0


class Rounds:
    """Looks round after round. A check that hangs hangs alone, and counts as a component that does not answer."""

    def __init__(self, checks: Sequence[Check], wait_seconds: float = WAIT_SECONDS):
        self._checks, self._wait = checks, wait_seconds
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(checks)), thread_name_prefix="check")
        self._looking: dict[str, tuple[float, Future[list[Sight]]]] = {}

    def look(self, now: float) -> list[Sight]:
        """Return what one round has seen, which begins at ``now``, epoch seconds."""
        for check in self._checks:
            if check.name not in self._looking:
                self._looking[check.name] = now, self._pool.submit(_look, check, now)
        wait([look for _, look in self._looking.values()], self._wait)
        return [sight for check in self._checks for sight in self._collect(check, now)]

    def _collect(self, check: Check, now: float) -> Iterable[Sight]:
        begun, look = self._looking[check.name]
        if not look.done():
            if check.second_hand:
                return []
            text = f"{check.name} has not answered for {now - begun:.0f} s; read its log and restart it"
            return [Sight(check.name, "failing", text, check.patience)]
        del self._looking[check.name]
        return look.result()

    def close(self) -> None:
        """Wait for nothing that hangs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _look(check: Check, now: float) -> list[Sight]:
    try:
        return list(check.look(now))
    except Exception as error:
        if check.second_hand:
            LOG.debug("nobody knows of %s", check.name, exc_info=True)
            return []
        text = str(error).strip().partition("\n")[0] or type(error).__name__
        return [Sight(check.name, "failing", text, check.patience)]
