"""The platform under test: the local stack in a folder of its own, brought up to the live minute."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import snowflake.connector
from rich.console import Console

from include.local_stack.airflow_api import AirflowApi
from include.local_stack.components import Component, airflow, services
from include.local_stack.stack import Stack
from include.local_stack.summary import database_arguments, warehouse_arguments
from include.surveillance import failpoints
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.errors import SurveillanceError
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from tests.ground import ground

# All of them are listed by the simulator; those of the load are not polled live, because history must come in order.
LIVE = ("AAPL", "MSFT", "NVDA", "AMZN", "JPM", "XOM", "JNJ", "PPLT", "GOOGL", "META", "TSLA", "BAC")
LOAD = ("AMD", "HD", "KO", "MCD", "UNH", "V")
FIRST = ("bootstrap_platform", "ingest_reference", "detect_anomalies", "notify_alerts")
THEN = ("land_raw", "ingest_market_data", "backfill_market_data", "check_quality")
LAND_EVERY_SECONDS = 10


class Stage:
    """The stack and the clients through which it is looked at.

    Attributes:
        fail_points: the folder that arms fail points, see ``include.surveillance.failpoints``.
        live_from_ms: from this minute on every bar of the live symbols is polled; known after ``bring_up``.
    """

    def __init__(self, console: Console):
        self.state = Path(tempfile.mkdtemp(prefix="faults-"))
        self.fail_points = self.state / "fail-points"
        self.fail_points.mkdir()
        for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
            del os.environ[name]
        os.environ.update(self._settings())
        self.stack = Stack(console=console)
        self.environment = self.stack.environment
        # Processes of the harness must not die in place of the platform's.
        del os.environ[failpoints.FOLDER]
        # The connector looks for the embedded warehouse's own CA in the environment only.
        os.environ["REQUESTS_CA_BUNDLE"] = self.environment["REQUESTS_CA_BUNDLE"]
        self.kafka: dict[str, Any] = json.loads(self.environment["AIRFLOW_CONN_KAFKA_DEFAULT"])["extra"]
        settings = Settings.from_env(self.environment)
        self.partitions = range(settings.kafka_partitions)
        self.sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
        self.book = ParameterBook.load(settings.parameters_file)
        self.live_from_ms = 0

    def _settings(self) -> dict[str, str]:
        return {
            **ground(self.state),
            "WATCHLIST": ",".join(LIVE),
            "LAND_EVERY_SECONDS": str(LAND_EVERY_SECONDS),
            failpoints.FOLDER: str(self.fail_points),
        }

    def bring_up(self) -> None:
        """Topics, tables and reference data; then every DAG that takes part runs."""
        self.airflow = AirflowApi(
            self.environment["AIRFLOW__API__BASE_URL"],
            self.environment["AIRFLOW_ADMIN_USER"],
            self.environment["AIRFLOW_ADMIN_PASSWORD"],
        )
        deadline = time.monotonic() + 120
        while missing := {*FIRST, *THEN} - self.airflow.dag_ids():
            if time.monotonic() > deadline:
                raise SurveillanceError(f"Airflow has not found {sorted(missing)} after 120 s; see dag-processor.log")
            time.sleep(1)
        for dag_id in FIRST:
            self.airflow.unpause(dag_id)
        for dag_id in FIRST[:2]:
            self.airflow.wait(dag_id, self.airflow.trigger(dag_id), 180)
        for dag_id in THEN:
            self.airflow.unpause(dag_id)
        self.live_from_ms = int(time.time()) // 60 * 60_000

    def component(self, name: str) -> Component:
        stack = self.stack
        everything = [
            *services(stack.state, stack.ports, stack.credentials, stack.market),
            *airflow(stack.state, stack.ports, stack.environment),
        ]
        return next(component for component in everything if component.name == name)

    def down(self) -> list[str]:
        """Components that supervisord has given up or is still starting."""
        return [info["name"] for info in self.stack.supervisor.states() if info["statename"] != "RUNNING"]

    def warehouse(self, query: str, arguments: Sequence[object] = ()) -> list[tuple]:
        """A question to the warehouse, over a connection of its own: the warehouse may have been restarted."""
        login = warehouse_arguments(self.environment) | {"login_timeout": 10, "network_timeout": 20}
        with closing(snowflake.connector.connect(**login)) as connection, connection.cursor() as cursor:
            return cursor.execute(query, arguments).fetchall()

    def database(self, query: str, arguments: Sequence[object]) -> list[tuple]:
        """A question to the application's database."""
        with (
            closing(psycopg2.connect(**database_arguments(self.environment))) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, arguments)
            return cursor.fetchall()
