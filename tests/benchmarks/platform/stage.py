"""The platform on a local stack of its own, and what a benchmark asks of it."""

from __future__ import annotations

import csv
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import snowflake.connector
from rich.console import Console

from include.local_stack.airflow_api import AirflowApi
from include.local_stack.stack import Stack, clean
from include.local_stack.summary import database_arguments, warehouse_arguments
from include.surveillance import broker, normalise
from include.surveillance.errors import SurveillanceError
from include.surveillance.polygon.client import Polygon, poll_each
from include.surveillance.settings import SYMBOL
from tests.ground import ground

ANSWER_MS = "20-80"
FOLLOWERS = ("detect_anomalies", "notify_alerts", "land_raw")
# What runs beside polling on an ordinary day.
BESIDE = ("check_quality", "maintain_platform", "build_marts")
# Airflow as it comes: none of what this platform's airflow.env sets for many short tasks.
TUNED = (
    "AIRFLOW__CORE__PARALLELISM",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG",
    "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE",
    "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS",
    "AIRFLOW__SDK__COORDINATORS",
    "AIRFLOW__SDK__QUEUE_TO_COORDINATOR",
)


class Stage:
    """A running stack and the clients through which it is looked at."""

    def __init__(self, stack: Stack, symbols: Sequence[str], say: Callable[[str], None]):
        self.stack, self.symbols, self.say, self.environment = stack, list(symbols), say, stack.environment
        self.kafka: dict[str, Any] = json.loads(self.environment["AIRFLOW_CONN_KAFKA_DEFAULT"])["extra"]
        self.partitions = range(int(self.environment["KAFKA_PARTITIONS"]))
        self.airflow = AirflowApi(
            self.environment["AIRFLOW__API__BASE_URL"],
            self.environment["AIRFLOW_ADMIN_USER"],
            self.environment["AIRFLOW_ADMIN_PASSWORD"],
        )
        self.polygon = Polygon(self.environment["POLYGON_API_KEY"], self.environment["POLYGON_BASE_URL"])

    def bring_up(self) -> None:
        """Topics and tables; then what follows the topics runs. Nothing is polled yet."""
        wanted = {"bootstrap_platform", "ingest_market_data", "backfill_market_data", *FOLLOWERS, *BESIDE}
        self.until(lambda: wanted <= self.airflow.dag_ids(), 180, "Airflow has found the DAGs")
        for dag_id in ("bootstrap_platform", "backfill_market_data", *FOLLOWERS):
            self.airflow.unpause(dag_id)
        self.run("bootstrap_platform", 180)

    def run(self, dag_id: str, timeout: float, conf: dict | None = None) -> dict:
        """Start a run, wait for its success and return it."""
        run_id = self.airflow.trigger(dag_id, conf)
        self.airflow.wait(dag_id, run_id, timeout)
        return next(run for run in self.airflow.runs(dag_id) if run["dag_run_id"] == run_id)

    def history(self, minutes: int) -> None:
        """The minutes before now of every symbol on the topic, detected and landed, asked for in bulk."""
        end_ms = int(time.time()) // 60 * 60_000
        publisher = broker.Publisher(self.kafka)
        for _, payloads in poll_each(self.polygon, self.symbols, ["minute"], end_ms - minutes * 60_000, end_ms):
            if isinstance(payloads, SurveillanceError):
                raise payloads
            for payload in payloads:
                publisher.publish(normalise.bars(payload, source="backfill"))
        self.say(f"{minutes} minutes of {len(self.symbols):,} symbols published")
        self.drain(900)

    def drain(self, timeout: float) -> None:
        """Return when detection, notification and landing have come to the ends of their topics."""
        self.until(lambda: not self.lag(), timeout, "detection and landing have caught up")

    def lag(self, landing: bool = True) -> int:
        """How many offsets detection, notification and, unless left out, landing are behind, together."""
        bars = broker.lag(self.kafka, "detector", [(broker.BARS, partition) for partition in self.partitions])
        alerts = broker.lag(self.kafka, "notifier", [(broker.ALERTS, partition) for partition in self.partitions])
        if not landing:
            return bars + alerts
        landed = {
            (topic, partition): offset
            for topic, partition, offset in self.warehouse(
                "select topic, partition_id, next_offset from raw.kafka_offsets"
            )
        }
        ends = self.ends(broker.BARS, broker.METRICS, broker.ALERTS)
        return bars + alerts + sum(max(0, end - landed.get(place, 0)) for place, end in ends.items())

    def ends(self, *topics: str) -> dict[broker.Position, int | None]:
        """Where each partition ends now, for readers of committed messages."""
        with broker.Bounds(self.kafka) as bounds:
            return {(topic, p): bounds((topic, p))[1] for topic in topics for p in self.partitions}

    def warehouse(self, query: str) -> list[tuple]:
        with (
            closing(snowflake.connector.connect(**warehouse_arguments(self.environment))) as connection,
            connection.cursor() as cursor,
        ):
            return cursor.execute(query).fetchall()

    def metadata(self, query: str, arguments: Sequence[object]) -> list[tuple]:
        """A question to Airflow's metadata."""
        login = database_arguments(self.environment, "AIRFLOW_DB")
        with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall()

    def until(self, holds: Callable[[], bool], timeout: float, what: str) -> None:
        """Ask every half second.

        Raises:
            SurveillanceError: not within ``timeout`` seconds.
        """
        begun = time.monotonic()
        while not holds():
            if time.monotonic() - begun > timeout:
                raise SurveillanceError(f"after {timeout:.0f} s it does not hold yet: {what}; see {self.stack.state}")
            time.sleep(0.5)
        self.say(f"{what} ({time.monotonic() - begun:.1f} s)")


@contextmanager
def running(
    console: Console, symbols: Sequence[str], *, replay: Path | None = None, stock: bool = False, **settings: str
) -> Iterator[Stage]:
    """A platform that watches ``symbols``; its folder goes when the block ends without an error.

    Args:
        replay: recorded bars in place of the generated market.
        stock: Airflow's own settings, the database as Celery's result backend, no fast lane.
        settings: environment variables over the usual ones.
    """
    state = Path(tempfile.mkdtemp(prefix="bench-"))
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "SIMULATOR_", "POLL_"))]:
        del os.environ[name]
    given = ground(state) | settings | {"SIMULATOR_ANSWER_MS": ANSWER_MS, **_universe(state, symbols, replay)}
    os.environ.update(given)
    try:
        stack = Stack(replay, console)
        # The connector looks for the embedded warehouse's own CA in the environment only.
        os.environ["REQUESTS_CA_BUNDLE"] = stack.environment["REQUESTS_CA_BUNDLE"]
        if stock:
            database = stack.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
            stack.environment["AIRFLOW__CELERY__RESULT_BACKEND"] = f"db+{database}"
            stack.environment["AIRFLOW__CORE__EXECUTOR"] = "CeleryExecutor"
            for name in TUNED:
                stack.environment.pop(name, None)
        begun = time.monotonic()
        with stack:
            stage = Stage(stack, symbols, lambda text: console.print(f"[green]✓[/] {text}"))
            stage.bring_up()
            stage.say(f"stack is ready ({time.monotonic() - begun:.0f} s)")
            yield stage
    finally:
        for name in given:
            os.environ.pop(name, None)
    clean(state)


def _universe(state: Path, symbols: Sequence[str], replay: Path | None) -> Mapping[str, str]:
    watchlist, universe = state / "watchlist.txt", state / "universe.csv"
    watchlist.write_text("\n".join(symbols) + "\n")
    universe.write_text("\n".join(["symbol", *symbols]) + "\n")
    found = {"WATCHLIST_FILE": str(watchlist), "WATCHLIST": ""}
    return found if replay else found | {"SIMULATOR_UNIVERSE": str(universe)}


def listed(file: Path, count: int) -> list[str]:
    """The first ``count`` symbols of a listing that are no test issues and that the vendor would write so.

    Raises:
        SurveillanceError: the listing has fewer.
    """
    with file.open(newline="") as rows:
        found = [
            row["symbol"]
            for row in csv.DictReader(rows)
            if row.get("test_issue", "N") == "N" and SYMBOL.fullmatch(row["symbol"])
        ]
    if len(found) < count:
        raise SurveillanceError(f"{file} lists {len(found)} usable symbols, {count} are needed; set SHARED_DATA")
    return found[:count]


def iso(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
