"""The platform under test: the local stack in a folder of its own, brought up to the live minute."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rich.console import Console

from include.local_stack.clients import Clients
from include.local_stack.components import Component
from include.local_stack.stack import Stack
from include.surveillance import failpoints
from include.surveillance.timespans import MINUTE_MS, now_ms
from tests.faults.people import People
from tests.ground import literal_rules, move_to

# All of them are listed by the simulator; those of the load are not polled live, because history must come in order.
LIVE = ("AAPL", "MSFT", "NVDA", "AMZN", "JPM", "XOM", "JNJ", "PPLT", "GOOGL", "META", "TSLA", "BAC")
LOAD = ("AMD", "HD", "KO", "MCD", "UNH", "V")
FIRST = ("bootstrap_platform", "ingest_reference", "detect_anomalies", "notify_alerts")
THEN = ("land_raw", "ingest_market_data", "backfill_market_data", "judge_history", "check_quality")
LAND_EVERY_SECONDS = 10
# Longer than a component stands still.
LANE_LIMIT_SECONDS = 100
# As long as Snowflake keeps the locks of a session that was killed within its transaction.
LOCKED_SECONDS = 300


class Stage(Clients):
    """The stack and its clients.

    Attributes:
        people: who is notified.
        fail_points: the folder that arms fail points, see ``include.surveillance.failpoints``.
        live_from_ms: from this minute on every bar of the live symbols is polled; known after ``bring_up``.
    """

    def __init__(self, console: Console, **settings: str):
        state = Path(tempfile.mkdtemp(prefix="faults-"))
        self.people = People()
        self.fail_points = state / "fail-points"
        self.fail_points.mkdir()
        move_to(
            state,
            WATCHLIST=",".join(LIVE),
            LAND_EVERY_SECONDS=str(LAND_EVERY_SECONDS),
            LANE_LIMIT_SECONDS=str(LANE_LIMIT_SECONDS),
            WAREHOUSE_IDLE_TRANSACTION=str(LOCKED_SECONDS),
            **literal_rules(state),
            **self.people.settings(),
            **{failpoints.FOLDER: str(self.fail_points)},
            **settings,
        )
        super().__init__(Stack(console=console))
        # Processes of the harness must not die in place of the platform's.
        del os.environ[failpoints.FOLDER]
        self.live_from_ms = 0

    def bring_up(self) -> None:
        """Make topics, tables and reference data; then start every DAG that takes part."""
        self.airflow.wait_for_dags({*FIRST, *THEN})
        for dag_id in FIRST:
            self.airflow.unpause(dag_id)
        for dag_id in FIRST[:2]:
            self.airflow.run(dag_id, 180)
        for dag_id in THEN:
            self.airflow.unpause(dag_id)
        self.live_from_ms = now_ms() // MINUTE_MS * MINUTE_MS

    def component(self, name: str) -> Component:
        return next(component for component in self.stack.components() if component.name == name)

    def down(self) -> list[str]:
        """Components that supervisord has given up or is still starting."""
        return [info["name"] for info in self.stack.supervisor.states() if info["statename"] != "RUNNING"]
