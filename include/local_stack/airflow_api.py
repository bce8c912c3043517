"""A small client of Airflow's public REST API: what the demo and the harnesses ask of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from include.desk_client import Desk, Session
from include.local_stack.patience import Patience
from include.surveillance.errors import SurveillanceError

API = "/api/v2"
FINISHED = {"success", "failed"}
Answer = dict[str, Any]


class AirflowApi:
    """Airflow at ``base_url``, signed in as ``user``.

    Attributes:
        desk: the analyst's desk there.

    Raises:
        SurveillanceError: a call was refused; the message carries Airflow's own answer.
    """

    def __init__(self, base_url: str, user: str, password: str):
        self.session = Session(base_url, user, password)
        self.desk = Desk(self.session)

    def _call(self, method: str, path: str, **options: Any) -> Answer:
        return self.session.ask(method, API + path, **options)

    def dag_ids(self) -> set[str]:
        return {dag["dag_id"] for dag in self._call("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        """Return one line for each DAG file that Airflow could not load: its name and what the traceback ends with."""
        errors = self._call("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {_find_message(error['stack_trace'])}" for error in errors]

    def wait_for_dags(self, dag_ids: Iterable[str], timeout: float = 120) -> None:
        """Return when Airflow knows all of these DAGs.

        Raises:
            SurveillanceError: a DAG file cannot be loaded, or one is missing after ``timeout`` seconds of ``Patience``.
        """
        wanted, patience = set(dag_ids), Patience(timeout)
        while missing := wanted - self.dag_ids():
            if errors := self.import_errors():
                raise SurveillanceError("Airflow could not load the DAGs: " + "; ".join(errors))
            if patience.is_over():
                raise SurveillanceError(
                    f"Airflow lacks {sorted(missing)} after {patience.describe()}; see dag-processor.log"
                )
            time.sleep(1)

    def pause(self, dag_id: str, paused: bool = True) -> None:
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def unpause(self, dag_id: str) -> None:
        self.pause(dag_id, paused=False)

    def trigger(self, dag_id: str, conf: Answer | None = None) -> str:
        """Start a run and return its id."""
        run = self._call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return run["dag_run_id"]

    def runs(self, dag_id: str, **params: Any) -> list[Answer]:
        """Return a DAG's runs, newest first."""
        params = {"limit": 100, "order_by": "-run_after", **params}
        return self._call("GET", f"/dags/{dag_id}/dagRuns", params=params)["dag_runs"]

    def tasks(self, dag_id: str, run_id: str) -> list[Answer]:
        """Return every task instance of a run, mapped ones included."""
        path, tasks = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", list[Answer]()
        while True:
            page = self._call("GET", path, params={"limit": 100, "offset": len(tasks)})
            tasks += page["task_instances"]
            if len(tasks) >= page["total_entries"] or not page["task_instances"]:
                return tasks

    def shown_alerts(self) -> int:
        """Return how many alerts of the market the desk shows, live ones and history."""
        return sum(1 for history in (False, True) for _ in self.desk.alerts(kind="market", history=history))

    def run(self, dag_id: str, timeout: float, conf: Answer | None = None) -> Answer:
        """Start a run, wait for its success and return it; see ``wait``."""
        return self.wait(dag_id, self.trigger(dag_id, conf), timeout)

    def wait(self, dag_id: str, run_id: str, timeout: float) -> Answer:
        """Return a run when it has succeeded.

        Raises:
            SurveillanceError: it failed (naming the failed tasks) or is not done after ``timeout`` seconds of
                ``Patience``.
        """
        patience = Patience(timeout)
        while (run := self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))["state"] not in FINISHED:
            if patience.is_over():
                waiting = [f"{t['task_id']}[{t['map_index']}]={t['state']}" for t in self.tasks(dag_id, run_id)]
                raise SurveillanceError(
                    f"{dag_id} is still {run['state']} after {patience.describe()} ({', '.join(waiting[:8])}); see its "
                    "log"
                )
            time.sleep(1)
        if run["state"] == "failed":
            failed = [t for t in self.tasks(dag_id, run_id) if t["state"] in ("failed", "upstream_failed")]
            names = ", ".join(f"{t['task_id']} {t.get('rendered_map_index') or ''}".strip() for t in failed[:8])
            raise SurveillanceError(f"{dag_id} failed in {names or 'an unnamed task'}; its log in Airflow says why")
        return run


def _find_message(trace: str) -> str:
    """Return the first line behind a traceback's frames, which says what happened; advice may follow it."""
    lines = trace.strip().splitlines()
    frames = max((at for at, line in enumerate(lines) if line.startswith(" ")), default=-1)
    return lines[min(frames + 1, len(lines) - 1)]
