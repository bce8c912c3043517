"""The platform on a local stack of its own, and what a benchmark asks of it."""

from __future__ import annotations

import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from include.local_stack.clients import Clients, Row
from include.local_stack.stack import Stack, clean
from include.surveillance import broker, normalise
from include.surveillance.errors import SurveillanceError
from include.surveillance.polygon.client import poll_each
from include.surveillance.texts import is_symbol
from include.surveillance.timespans import MINUTE_MS, now_ms
from tests.ground import ends, landed_offsets, literal_rules, move_to

ANSWER_MS = "20-80"
POLLING = ("ingest_market_data", "backfill_market_data")
FOLLOWERS = ("detect_anomalies", "notify_alerts", "land_raw")
# What runs beside polling on an ordinary day.
BESIDE = ("check_quality", "maintain_platform", "gather_landings", "build_marts")
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


class Stage(Clients):
    """A running stack with its clients, and what a benchmark waits for."""

    def __init__(self, stack: Stack, symbols: Sequence[str], say: Callable[[str], None]):
        super().__init__(stack)
        self.symbols, self.say = list(symbols), say

    def bring_up(self) -> None:
        """Make topics and tables; then start what follows the topics. Nothing is polled yet."""
        self.airflow.wait_for_dags({"bootstrap_platform", *POLLING, *FOLLOWERS, *BESIDE}, timeout=180)
        for dag_id in ("bootstrap_platform", "backfill_market_data", *FOLLOWERS):
            self.airflow.unpause(dag_id)
        self.airflow.run("bootstrap_platform", 180)

    def publish_history(self, minutes: int) -> None:
        """Publish the minutes before now of every symbol, asked for in bulk; return when they have been landed."""
        end_ms = now_ms() // MINUTE_MS * MINUTE_MS
        publisher = broker.Publisher(self.kafka)
        for _, payloads in poll_each(self.polygon, self.symbols, ["minute"], end_ms - minutes * MINUTE_MS, end_ms):
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
        bars = broker.lag(self.kafka, "detector", self.positions(broker.BARS))
        alerts = broker.lag(self.kafka, "notifier", self.positions(broker.ALERTS))
        if not landing:
            return bars + alerts
        landed, topics = landed_offsets(self), self.ends(broker.BARS, broker.METRICS, broker.ALERTS)
        return bars + alerts + sum(max(0, end - landed.get(position, 0)) for position, end in topics.items())

    def ends(self, *topics: str) -> dict[broker.Position, int]:
        """Where each partition of the topics ends now, for readers of committed messages."""
        return ends(self.kafka, [position for topic in topics for position in self.positions(topic)])

    def metadata(self, query: str, arguments: Sequence[object]) -> list[Row]:
        """The rows of one query to Airflow's metadata."""
        return self.database(query, arguments, "AIRFLOW_DB")

    def until(self, holds: Callable[[], bool], timeout: float, what: str) -> None:
        """Return when ``holds`` says so; it is asked every half second.

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
def platform(
    console: Console, symbols: Sequence[str], *, replay: Path | None = None, stock: bool = False, **settings: str
) -> Iterator[Stage]:
    """A platform that watches ``symbols``; its folder goes when the block ends without an error.

    Args:
        replay: recorded bars in place of the generated market.
        stock: Airflow's own settings, the database as Celery's result backend, no fast lane.
        settings: environment variables over the usual ones.
    """
    state = Path(tempfile.mkdtemp(prefix="bench-"))
    listing = _list_symbols(state, symbols, replay)
    given = move_to(state, **settings, **listing, **literal_rules(state), SIMULATOR_ANSWER_MS=ANSWER_MS)
    try:
        stack = Stack(replay, console)
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


def _list_symbols(state: Path, symbols: Sequence[str], replay: Path | None) -> dict[str, str]:
    """Write the watchlist and the simulator's universe; return the variables that name them."""
    watchlist, universe = state / "watchlist.txt", state / "universe.csv"
    watchlist.write_text("\n".join(symbols) + "\n")
    universe.write_text("\n".join(["symbol", *symbols]) + "\n")
    variables = {"WATCHLIST_FILE": str(watchlist), "WATCHLIST": ""}
    return variables if replay else variables | {"SIMULATOR_UNIVERSE": str(universe)}


def read_universe(file: Path, count: int) -> list[str]:
    """Return the first ``count`` symbols of a listing that are no test issues and that the vendor would write so.

    Raises:
        SurveillanceError: the listing has fewer.
    """
    with file.open(newline="") as rows:
        usable = [
            row["symbol"]
            for row in csv.DictReader(rows)
            if row.get("test_issue", "N") == "N" and is_symbol(row["symbol"])
        ]
    if len(usable) < count:
        raise SurveillanceError(f"{file} lists {len(usable)} usable symbols, {count} are needed; set SHARED_DATA")
    return usable[:count]
