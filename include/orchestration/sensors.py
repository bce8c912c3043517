"""Deferrable sensors that consume: wait in the triggerer until there is lag, handle it on a worker, wait again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator

from include.orchestration import connections, notifications
from include.orchestration.triggers import LagTrigger

STUCK_SECONDS = 5.0


class ConsumeSensor(BaseOperator):
    """Lives for ``lifetime_seconds`` from the start of its run, then succeeds with what it counted.

    A subclass says which partitions of which group it follows and how a backlog is handled. Offsets are the only
    progress: a retry, a new run or a restarted triggerer goes on from what the group has committed.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#e8f0fe"

    def __init__(self, *, lifetime_seconds: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.lifetime_seconds = lifetime_seconds

    def group(self) -> str:
        """The consumer group whose lag wakes this sensor."""
        raise NotImplementedError

    def partitions(self) -> list[tuple[str, int]]:
        """Topic and partition of everything that it follows."""
        raise NotImplementedError

    def handle(self) -> dict[str, int]:
        """Consume from the committed offsets to the end, commit, and return counts. All zero: nothing moved."""
        raise NotImplementedError

    def execute(self, context: dict[str, Any]) -> dict[str, int]:
        # From the run's start, so that all partitions end together and a retry does not live longer.
        until = context["dag_run"].start_date.timestamp() + self.lifetime_seconds
        return self._wait({}, until)

    def resume(self, context: dict[str, Any], event: dict[str, Any], counts: dict[str, int], until: float) -> Any:
        """Called on a worker with what the trigger saw."""
        if "lag" not in event:
            return counts
        handled = self.handle()
        self.log.info("lag %s: %s", event["lag"], handled)
        stuck = not any(handled.values())
        return self._wait(dict(Counter(counts) + Counter(handled)), until, STUCK_SECONDS if stuck else 0.0)

    def _wait(self, counts: dict[str, int], until: float, pause: float = 0.0) -> dict[str, int]:
        if time.time() >= until:
            return counts
        self.defer(
            trigger=LagTrigger([list(p) for p in self.partitions()], self.group(), until, time.time() + pause),
            method_name="resume",
            kwargs={"counts": counts, "until": until},
        )


class DetectSensor(ConsumeSensor):
    """Follows one partition of bars and news and runs detection on it. One of these per partition."""

    def __init__(self, *, partition: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.partition = partition

    def group(self) -> str:
        from include.surveillance.detection import microbatch

        return microbatch.GROUP

    def partitions(self) -> list[tuple[str, int]]:
        from include.surveillance.detection import microbatch

        return microbatch.positions_of(self.partition)

    def handle(self) -> dict[str, int]:
        from include.surveillance.detection import microbatch
        from include.surveillance.detection.parameters import ParameterBook
        from include.surveillance.sessions import Sessions
        from include.surveillance.settings import Settings

        settings = Settings.from_env()
        done = microbatch.detect_partition(
            connections.kafka(),
            self.partition,
            sessions=Sessions(settings.market_calendar, settings.market_shift_ms),
            book=ParameterBook.load(settings.parameters_file),
        )
        return {name: getattr(done, name) for name in ("records", "bars", "metrics", "alerts", "late", "rejected")}


class NotifySensor(ConsumeSensor):
    """Follows all partitions of alerts: stores each alert in the application database, tells people of new ones."""

    def group(self) -> str:
        return notifications.GROUP

    def partitions(self) -> list[tuple[str, int]]:
        from include.surveillance.broker import ALERTS
        from include.surveillance.settings import Settings

        return [(ALERTS, partition) for partition in range(Settings.from_env().kafka_partitions)]

    def handle(self) -> dict[str, int]:
        return notifications.notify_backlog(connections.kafka(), self.partitions())
