"""Counts what the application's database knows: runs, rows landed, messages that wait, the desk's queue."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import Gauge

from include.connection_texts import read_postgres
from include.monitoring.catalogue import Catalogue
from include.monitoring.look import Look
from include.surveillance.errors import SurveillanceError
from include.surveillance.severities import SEVERITIES
from include.surveillance.statements import read_statement

if TYPE_CHECKING:
    import psycopg2

statement = partial(read_statement, Path(__file__).with_name("sql"))
TIMEOUT_SECONDS = 10
REMEMBERED = 20_000


class Application(Look):
    """Counts runs and alerts from its start on; what waits it counts each time.

    Args:
        connection: Airflow's of a login that reads, as JSON.
    """

    part, every = "database", 15.0

    def __init__(self, connection: str, catalogue: Catalogue):
        self._login = read_postgres(connection)
        self._login |= {"connect_timeout": TIMEOUT_SECONDS, "application_name": "exporter"}
        self._catalogue = catalogue
        self._database: psycopg2.extensions.connection | None = None
        self._began = self._ended_at = self._told_at = datetime.now(UTC)
        self._told: OrderedDict[str, None] = OrderedDict()

    def look(self, now: float) -> None:
        import psycopg2  # a program that measures no database needs no client of it

        try:
            if self._database is None:
                self._database = psycopg2.connect(**self._login)
                self._database.set_session(readonly=True, autocommit=True)
            self._count_runs()
            self._count_waiting()
            self._time_told()
        except psycopg2.Error as error:
            if self._database is not None:
                self._database.close()
            self._database = None
            first, _, _ = str(error).strip().partition("\n")
            raise SurveillanceError(f"the application's database does not answer: {first}") from None

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

    def execute(self, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, with these values bound."""
        assert self._database is not None
        with self._database.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()


def show(gauge: Gauge, values: Mapping[str, float]) -> None:
    """Set a gauge with one label to these values; what is not among them any more is shown no longer."""
    gone = {sample.labels[label] for it in gauge.collect() for sample in it.samples for label in sample.labels}
    for label, value in values.items():
        gauge.labels(label).set(value)
    for label in gone - set(values):
        gauge.remove(label)
