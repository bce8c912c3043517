"""Sensors that consume: they stay on their worker while messages come, and wait in the triggerer when none do.

A worker's slot buys latency: to be woken by the triggerer takes one to two seconds, and to open a partition another
one, for every burst of bars. Bars come every minute of a session, so a sensor that lingers opens once and is there
when the next ones come. Over night and at weekends nothing comes, and nothing holds a slot.

Kafka's client and what detection loads are imported by the task that needs them, not by whoever parses the DAG.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from include.orchestration import connections, notifier, sender
from include.orchestration.statistics import tell_batch
from include.orchestration.triggers import LagTrigger, OutboxTrigger
from include.surveillance.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

STUCK_SECONDS = 5.0
# Messages trickle in over a minute's first half. One batch a second costs a tenth of what one per message would, and
# an alert waits half of it on average.
PACE_SECONDS = 1.0
QUIET_SECONDS = 1.5
# A run ends between two bursts; one that sees no pause ends all the same.
OVERTIME_SECONDS = 30.0
LOOK_SECONDS = 0.5

Step = Callable[[float], Mapping[str, int]]


class ConsumeSensor(BaseOperator):
    """Follows a topic for ``lifetime_seconds`` from the start of its run, then succeeds with what it counted.

    It ends at the first pause after that, ``OVERTIME_SECONDS`` later at the latest: what comes while one run gives way
    to the next would wait for that one.

    A subclass says which partitions of which group it follows and how a backlog is handled. Offsets are the only
    progress: a retry, a new run or a restarted triggerer goes on from what the group has committed.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#e8f0fe"

    def __init__(self, *, lifetime_seconds: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.lifetime_seconds = lifetime_seconds
        self._leaving = False

    def on_kill(self) -> None:
        """Leave after this batch, because the worker is being stopped, and wait in the triggerer for another one."""
        self._leaving = True

    def group(self) -> str:
        """Return the consumer group whose lag wakes this sensor."""
        raise NotImplementedError

    def partitions(self) -> list[tuple[str, int]]:
        """Return topic and partition of everything that it follows."""
        raise NotImplementedError

    def handle_backlog(self) -> Mapping[str, int]:
        """Consume from the committed offsets to the end, commit, and return counts. All zero: nothing moved."""
        raise NotImplementedError

    @contextmanager
    def open_step(self) -> Iterator[Step]:
        """Open what is kept while it lingers; yield a function that waits so long for messages and handles them."""
        from include.surveillance.broker import LagProbe
        from include.surveillance.errors import LogBrokenError

        with LagProbe(connections.kafka(), self.group(), self.partitions()) as probe:

            def step(patience: float) -> Mapping[str, int]:
                until = time.monotonic() + patience
                try:
                    while not probe.lag():
                        if time.monotonic() >= until:
                            return {}
                        time.sleep(LOOK_SECONDS)
                except LogBrokenError:
                    # To handle the backlog mends it; there may be more partitions now.
                    probe.partitions = self.partitions()
                return self.handle_backlog()

            yield step

    def make_trigger(self, until: float, not_before: float) -> BaseTrigger:
        """Make what waits in the triggerer for something to do; both in epoch seconds."""
        return LagTrigger([list(position) for position in self.partitions()], self.group(), until, not_before)

    def execute(self, context: Context) -> dict[str, int]:
        # From the run's start, so that all partitions end together and a retry does not live longer.
        # A run whose tasks run has started.
        until = context["dag_run"].start_date.timestamp() + self.lifetime_seconds  # type: ignore[union-attr]
        # Not by way of the triggerer: between two runs messages have come, or soon will.
        return {} if time.time() >= until else self._follow({}, until)

    def resume(
        self, context: Context, event: Mapping[str, Any], counts: dict[str, int], until: float
    ) -> dict[str, int]:
        """Go on, on a worker, with what the trigger saw."""
        return counts if "deadline" in event else self._follow(counts, until, woken=True)

    def _follow(self, counts: dict[str, int], until: float, woken: bool = False) -> dict[str, int]:
        """Handle what is there and what comes, until it has been quiet for long enough or the time is up."""
        linger = Settings.from_env().detect_linger_seconds
        total, moved, busy = Counter(counts), False, time.monotonic()
        with self.open_step() as step:
            while not self._leaving and time.time() < until + OVERTIME_SECONDS:
                began = time.monotonic()
                handled = step(min(QUIET_SECONDS, linger))
                if any(handled.values()):
                    total.update(handled)
                    moved, busy = True, time.monotonic()
                    time.sleep(max(0.0, began + PACE_SECONDS - busy))
                elif time.time() >= until or time.monotonic() - busy >= linger:
                    break
        self.log.info("so far: %s", dict(total))
        if time.time() < until:
            # Lag that cannot be worked off, such as that behind an open transaction, must not wake it again at once.
            pause = STUCK_SECONDS if woken and not moved else 0.0
            self.defer(
                trigger=self.make_trigger(until, time.time() + pause),
                method_name="resume",
                kwargs={"counts": dict(total), "until": until},
            )
        return dict(total)


class DetectSensor(ConsumeSensor):
    """Follows one partition of bars and news and runs detection on it. One of these per partition."""

    def __init__(self, *, partition: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.partition = partition

    def group(self) -> str:
        from include.surveillance.live import detector

        return detector.GROUP

    def partitions(self) -> list[tuple[str, int]]:
        from include.surveillance.live import detector

        return detector.positions_of(self.partition)

    @contextmanager
    def open_step(self) -> Iterator[Step]:
        """Open the partition's detector, whose state stays in memory from one micro-batch to the next."""
        from include.surveillance.detection.parameters.book import ParameterBook
        from include.surveillance.live.detector import Detector
        from include.surveillance.sessions import Sessions

        settings = Settings.from_env()
        sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
        book = ParameterBook.load(settings.parameters_file)
        with Detector(connections.kafka(), self.partition, sessions=sessions, book=book) as detector:

            def step(patience: float) -> Mapping[str, int]:
                counts = detector.step(patience)
                if any(counts.values()):
                    tell_batch(detector.seconds, detector.arrivals)
                return counts

            yield step


class NotifySensor(ConsumeSensor):
    """Follows all partitions of alerts: stores each alert, and what channels are to be told, in the database."""

    def group(self) -> str:
        return notifier.GROUP

    def partitions(self) -> list[tuple[str, int]]:
        from include.surveillance.broker import ALERTS, partitions_of

        return [(ALERTS, partition) for partition in partitions_of(connections.kafka(), ALERTS)]

    def handle_backlog(self) -> dict[str, int]:
        return notifier.notify_backlog(connections.kafka(), self.partitions())


class SendSensor(ConsumeSensor):
    """Follows the outbox of one channel and sends. One of these per channel, so that none waits for another."""

    def __init__(self, *, channel: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.channel = channel

    def make_trigger(self, until: float, not_before: float) -> BaseTrigger:
        return OutboxTrigger(self.channel, until, not_before)

    @contextmanager
    def open_step(self) -> Iterator[Step]:
        """Open the channel's sender, which keeps the channel to itself from one message to the next."""
        with sender.open_sender(self.channel) as channel_sender:

            def step(patience: float) -> Mapping[str, int]:
                until = time.monotonic() + patience
                while not (sent := channel_sender.send_next(datetime.now(UTC))) and time.monotonic() < until:
                    time.sleep(LOOK_SECONDS)
                return sent

            yield step
