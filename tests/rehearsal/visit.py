"""What a person does in Airflow, by its API: ``python -m tests.rehearsal.visit STEP``, beside the engine's 127.0.0.1.

The steps are those of docs/start/docker.md. AIRFLOW_PORT, AIRFLOW_ADMIN_PASSWORD, KAFKA_PORT and KAFKA_PASSWORD are
those of ``.env``. Each step prints one JSON document: what took how long, and what was seen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from include.deployment import KAFKA_USER
from include.local_stack.airflow_api import AirflowApi
from include.polygon_simulator.universe import GENERATED
from include.surveillance import broker
from include.surveillance.alerts.kinds import KINDS
from include.surveillance.errors import SurveillanceError

ALWAYS_ON = ("detect_anomalies", "notify_alerts", "judge_history")
AT_LAST = (
    "land_raw",
    "prepare_symbols",
    "ingest_market_data",
    "check_quality",
    "maintain_platform",
    "gather_landings",
    "build_marts",
    "record_desk",
)
LIVE_POLLS = 2
# Limits for a busy machine; what each step takes is measured.
DAGS_SECONDS, RUN_SECONDS, CAUGHT_UP_SECONDS, LIVE_SECONDS = 600.0, 900.0, 1200.0, 600.0

Alert = dict[str, Any]


class Visit:
    """One visit of the platform; ``took`` are the seconds of its steps, ``passing`` import errors that went away."""

    def __init__(self) -> None:
        port, password = os.environ["AIRFLOW_PORT"], os.environ["AIRFLOW_ADMIN_PASSWORD"]
        self.airflow = AirflowApi(f"http://localhost:{port}", "admin", password)
        self.took: dict[str, float] = {}
        self.passing: set[str] = set()

    def open(self) -> dict[str, Any]:
        """Bring the platform to its first alerts, in the order of the page, with an empty form for the backfill."""
        wanted = {"bootstrap_platform", "ingest_reference", "backfill_market_data", *ALWAYS_ON, *AT_LAST}
        with self._timed("until Airflow knows the DAGs"):
            self._await("all DAGs without an import error", DAGS_SECONDS, lambda: self._knows(wanted))
        self._run("bootstrap_platform")
        for dag_id in ALWAYS_ON:
            self.airflow.unpause(dag_id)
        self._run("ingest_reference")
        self._run("backfill_market_data")
        with self._timed("detection caught up"):
            self._catch_up("detector", broker.BARS)
        self._run("judge_history")
        with self._timed("notification caught up"):
            self._catch_up("notifier", broker.ALERTS)
        return {"took": self.took, "alerts": self.alerts(), "passing": sorted(self.passing)}

    def live(self) -> dict[str, Any]:
        """Unpause the rest and return when some minutes have been polled."""
        for dag_id in AT_LAST:
            self.airflow.unpause(dag_id)
        with self._timed(f"{LIVE_POLLS} live minutes polled"):
            self._await("live polls", LIVE_SECONDS, lambda: self._polls() >= LIVE_POLLS)
        return {"took": self.took}

    def look(self) -> dict[str, Any]:
        """Return the alerts that are shown."""
        return {"took": self.took, "alerts": self.alerts()}

    def alerts(self) -> dict[str, Alert]:
        """Return every alert of the generated market, live or history, by its id, as the desk's interface shows it."""
        asked = product((instrument.symbol for instrument in GENERATED), KINDS, (False, True))
        shown = (self.airflow.desk.alerts(symbol=symbol, kind=kind, history=history) for symbol, kind, history in asked)
        return {alert["alert_id"]: alert for alerts in shown for alert in alerts}

    def _knows(self, wanted: set[str]) -> bool:
        return wanted <= self.airflow.dag_ids() and not self._errors()

    def _errors(self) -> list[str]:
        """What could not be loaded: one that a later look at the file clears is told, not failed for."""
        errors = self.airflow.import_errors()
        self.passing.update(errors)
        return errors

    def _run(self, dag_id: str) -> None:
        self.airflow.unpause(dag_id)
        with self._timed(dag_id):
            self.airflow.run(dag_id, RUN_SECONDS)

    def _polls(self) -> int:
        return len(self.airflow.runs("ingest_market_data", state="success"))

    def _catch_up(self, group: str, topic: str) -> None:
        kafka = {"bootstrap.servers": f"localhost:{os.environ['KAFKA_PORT']}", "security.protocol": "SASL_PLAINTEXT"}
        kafka |= {"sasl.mechanism": "PLAIN", "sasl.username": KAFKA_USER, "sasl.password": os.environ["KAFKA_PASSWORD"]}
        positions = [(topic, number) for number in broker.partitions_of(kafka, topic)]
        with broker.LagProbe(kafka, group, positions) as probe:
            self._await(f"group {group}", CAUGHT_UP_SECONDS, lambda: not probe.lag())

    def _await(self, what: str, seconds: float, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                seen = "; ".join(self.airflow.import_errors())
                raise SurveillanceError(f"{what}: still waiting after {seconds:.0f} s; import errors: {seen or 'none'}")
            time.sleep(1)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.took[what] = time.monotonic() - begun


if __name__ == "__main__":
    try:
        visit = Visit()
        result = {"open": visit.open, "live": visit.live, "look": visit.look}[sys.argv[1]]()
    except SurveillanceError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(result))
