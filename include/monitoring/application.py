"""Counts what the application's database knows: runs, rows landed, messages that wait, the desk's queue."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime

from prometheus_client import Gauge

from include.monitoring.catalogue import Catalogue
from include.monitoring.database import DatabaseLook, statement
from include.surveillance.severities import SEVERITIES

REMEMBERED = 20_000


class Application(DatabaseLook):
    """Counts runs and alerts from its start on; what waits it counts each time.

    Args:
        connection: Airflow's of a login that reads, as JSON.
    """

    part, every = "database", 15.0

    def __init__(self, connection: str, catalogue: Catalogue):
        super().__init__(connection)
        self._catalogue = catalogue
        self._began = self._ended_at = self._told_at = datetime.now(UTC)
        self._told: OrderedDict[str, None] = OrderedDict()

    def measure(self, now: float) -> None:
        self._count_runs()
        self._count_waiting()
        self._time_told()

    def _count_runs(self) -> None:
        catalogue = self._catalogue
        for stage, ended in self.execute(statement("newest_runs")):
            catalogue.run_end.labels(stage).set(ended)
        for stage, ended_at, seconds, failed, rows in self.execute(statement("runs"), {"since": self._ended_at}):
            catalogue.runs.labels(stage, "failed" if failed else "ok").inc()
            catalogue.run_duration.labels(stage).observe(max(0.0, seconds))
            catalogue.rows.inc(rows)
            self._ended_at = max(self._ended_at, ended_at)

    def _count_waiting(self) -> None:
        catalogue = self._catalogue
        outbox = {channel: (count, oldest) for channel, count, oldest in self.execute(statement("outbox"))}
        show(catalogue.outbox, {channel: count for channel, (count, _) in outbox.items()})
        show(catalogue.outbox_oldest, {channel: oldest for channel, (_, oldest) in outbox.items()})
        desk = {severity: (count, oldest) for severity, count, oldest in self.execute(statement("desk"))}
        show(catalogue.desk, {severity: desk.get(severity, (0, 0.0))[0] for severity in SEVERITIES})
        show(catalogue.desk_oldest, {severity: oldest for severity, (_, oldest) in desk.items()})
        show(catalogue.session_alerts, dict(self.execute(statement("session_alerts"))))

    def _time_told(self) -> None:
        asked = {"since": self._told_at, "began": self._began}
        for alert_id, told_at, since_alert, since_close in self.execute(statement("told"), asked):
            self._told_at = max(self._told_at, told_at)
            # People are told again when an episode grows.
            if alert_id not in self._told:
                self._told[alert_id] = None
                self._catalogue.latency.labels("alert_to_told").observe(max(0.0, since_alert))
                self._catalogue.latency.labels("close_to_told").observe(max(0.0, since_close))
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)


def show(gauge: Gauge, values: Mapping[str, float]) -> None:
    """Set a gauge with one label to these values; what is not among them any more is shown no longer."""
    gone = {sample.labels[label] for it in gauge.collect() for sample in it.samples for label in sample.labels}
    for label, value in values.items():
        gauge.labels(label).set(value)
    for label in gone - set(values):
        gauge.remove(label)
