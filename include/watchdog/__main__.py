"""The watchdog: ``python -m include.watchdog`` looks every ten seconds until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from include.surveillance.errors import ConfigurationError
from include.watchdog.causes import Judge, News
from include.watchdog.checks import make_checks
from include.watchdog.deadman import DeadMan
from include.watchdog.memory import Keeper, Memory
from include.watchdog.people import Channel, Outbox, open_channels, write_message
from include.watchdog.restarts import Restarter
from include.watchdog.rounds import Rounds
from include.watchdog.settings import WatchdogSettings

LOG = logging.getLogger("watchdog")
EVERY_SECONDS = 10.0
# A message that has waited for longer has reached nobody: then pings end, too.
UNTOLD_SECONDS = 300.0


class Watchdog:
    """Looks, tells, remembers and pings; one round at a time."""

    def __init__(
        self, rounds: Rounds, channels: Sequence[Channel], keeper: Keeper, deadman: DeadMan, restarter: Restarter
    ):
        memory = keeper.read()
        self._rounds, self._channels, self._keeper = rounds, channels, keeper
        self._deadman, self._restarter = deadman, restarter
        self._judge = Judge(memory.open, memory.ended)
        self._outbox = Outbox({it.name: memory.waiting.get(it.name, []) for it in channels}, self._remember)
        self._untold_since: float | None = None

    def go_round(self, now: float) -> list[News]:
        """Make the round of ``now``, epoch seconds; return what people were told, or will be."""
        news = self._judge.judge(self._rounds.look(now), now)
        for one in news:
            message = write_message(one)
            LOG.warning("%s", message.text)
            self._outbox.add(message, self._channels)
        if news:
            self._remember()
        self._outbox.send(self._channels, now)
        # Only now: people know.
        for cause, known in self._judge.open.items():
            self._restarter.restart(cause, known.told_at, now)
        if self._judge.is_well and self._reaches_people(now):
            self._deadman.ping(now)
        self._keeper.beat()
        return news

    def _reaches_people(self, now: float) -> bool:
        if self._outbox.is_empty:
            self._untold_since = None
            return True
        self._untold_since = self._untold_since or now
        return now - self._untold_since < UNTOLD_SECONDS

    def _remember(self) -> None:
        self._keeper.write(Memory(self._judge.open, self._judge.ended, self._outbox.waiting))


def main() -> int:
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        level=logging.INFO,
        stream=sys.stderr,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = WatchdogSettings.from_env()
        checks = make_checks(os.environ, settings)
    except ConfigurationError as error:
        LOG.error("%s", error)
        return 1
    channels = open_channels(settings)
    if not channels and not settings.deadman_url:
        LOG.warning("nobody is told but this log: set WATCHDOG_SLACK_URL, _WEBHOOK_URL or _MAIL_SERVER, or DEADMAN_URL")
    rounds = Rounds(checks)
    watchdog = Watchdog(
        rounds,
        channels,
        Keeper(settings.watchdog_state),
        DeadMan(settings.deadman_url),
        Restarter(settings.watchdog_restart),
    )
    LOG.info("watches %s; tells %s", ", ".join(it.name for it in checks), ", ".join(it.name for it in channels) or "-")
    while not stop.is_set():
        begun = time.monotonic()
        watchdog.go_round(time.time())
        stop.wait(max(0.0, EVERY_SECONDS - (time.monotonic() - begun)))
    rounds.close()
    # A check that hangs must not keep the process.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
