"""A small client of Airflow's public REST API: what the demo and the end-to-end test ask of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from include.surveillance.alerts.market_events import RULE as MARKET_RULE
from include.surveillance.errors import SurveillanceError

API = "/api/v2"
FINISHED = {"success", "failed"}


class AirflowApi:
    """Airflow at ``base_url``, signed in as ``user``; the token is renewed when it runs out.

    Raises:
        SurveillanceError: a call was refused; the message carries Airflow's own answer.
    """

    def __init__(self, base_url: str, user: str, password: str):
        self._credentials = {"username": user, "password": password}
        self._http = httpx.Client(base_url=base_url, timeout=30)
        self._sign_in()

    def _sign_in(self) -> None:
        answer = self._http.post("/auth/token", json=self._credentials)
        if answer.status_code >= 400:
            raise SurveillanceError(f"Airflow refused the sign-in of {self._credentials['username']!r}: {answer.text}")
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def _call(self, method: str, path: str, *, root: str = API, **kwargs) -> dict:
        path = root + path
        answer = self._http.request(method, path, **kwargs)
        if answer.status_code == 401:
            self._sign_in()
            answer = self._http.request(method, path, **kwargs)
        if answer.status_code >= 400:
            raise SurveillanceError(f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}")
        if not answer.headers.get("content-type", "").startswith("application/json"):
            raise SurveillanceError(f"Airflow has no {path}: its plugins did not load; api-server.log says why")
        return answer.json()

    def dag_ids(self) -> set[str]:
        return {dag["dag_id"] for dag in self._call("GET", "/dags", params={"limit": 100})["dags"]}

    def import_errors(self) -> list[str]:
        found = self._call("GET", "/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in found]

    def pause(self, dag_id: str, paused: bool = True) -> None:
        self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def unpause(self, dag_id: str) -> None:
        self.pause(dag_id, paused=False)

    def trigger(self, dag_id: str, conf: dict | None = None) -> str:
        """Start a run and return its id."""
        run = self._call("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return run["dag_run_id"]

    def runs(self, dag_id: str, **params) -> list[dict]:
        """A DAG's runs, newest first."""
        params = {"limit": 100, "order_by": "-run_after", **params}
        return self._call("GET", f"/dags/{dag_id}/dagRuns", params=params)["dag_runs"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict]:
        """Every task instance of a run, mapped ones included."""
        path, found = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", []
        while True:
            page = self._call("GET", path, params={"limit": 100, "offset": len(found)})
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def shown_alerts(self) -> int:
        """How many alerts the page Market surveillance counts, but for events of the whole market."""
        counts = self._call("GET", "/api/alerts", root="/surveillance")["counts"]
        return sum(row["alerts"] for row in counts if row["rule"] != MARKET_RULE)

    def wait(
        self, dag_id: str, run_id: str, timeout: float, progress: Callable[[list[dict]], None] | None = None
    ) -> None:
        """Return when a run has succeeded.

        Raises:
            SurveillanceError: it failed (naming the failed tasks) or is not done after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            state = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            if state in FINISHED:
                break
            if time.monotonic() > deadline:
                waiting = [f"{t['task_id']}[{t['map_index']}]={t['state']}" for t in self.tasks(dag_id, run_id)]
                raise SurveillanceError(
                    f"{dag_id} is still {state} after {timeout:.0f} s ({', '.join(waiting[:8])}); see its log"
                )
            if progress:
                progress(self.tasks(dag_id, run_id))
            time.sleep(1)
        if state == "failed":
            failed = [t for t in self.tasks(dag_id, run_id) if t["state"] in ("failed", "upstream_failed")]
            names = ", ".join(f"{t['task_id']} {t.get('rendered_map_index') or ''}".strip() for t in failed[:8])
            raise SurveillanceError(f"{dag_id} failed in {names or 'an unnamed task'}; its log in Airflow says why")
