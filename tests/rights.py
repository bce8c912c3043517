"""What each role may do, asked over HTTP: of the API server in a test's process, and of a running stack.

No act has an effect: each names what does not exist or has a body that means nothing, which Airflow sees only after it
has asked whether the user may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

API, USERS, DESK = "/api/v2", "/auth/fab/v1", "/surveillance/api/v1"
DAG, STUDY = f"{API}/dags/ingest_market_data", f"{API}/dags/calibrate_rules"
NONSENSE = {"nonsense": True}
# What our page sends with every act.
OWN = {"X-Surveillance": "rights"}
# Name of the act -> method, address.
ACTS = {
    "see the page": ("GET", "/surveillance/"),
    "see the queue": ("GET", f"{DESK}/alerts"),
    "see what people did at the desk": ("GET", f"{DESK}/acts"),
    "decide on alerts": ("POST", f"{DESK}/reviews/close"),
    "silence alerts": ("POST", f"{DESK}/silences"),
    "open cases": ("POST", f"{DESK}/cases"),
    "sign decisions": ("POST", f"{DESK}/reviews/sign"),
    "sign cases": ("POST", f"{DESK}/cases/1/sign"),
    "see DAGs": ("GET", f"{API}/dags"),
    "see runs": ("GET", f"{API}/dags/~/dagRuns"),
    "see the link to the page": ("GET", f"{API}/plugins"),
    "see logs": ("GET", f"{DAG}/dagRuns/none/taskInstances/poll/logs/1"),
    "see code": ("GET", f"{API}/dagSources/ingest_market_data"),
    "see XComs": ("GET", f"{DAG}/dagRuns/none/taskInstances/poll/xcomEntries/none"),
    "see the audit log": ("GET", f"{API}/eventLogs"),
    "trigger a study": ("POST", f"{STUDY}/dagRuns"),
    "trigger": ("POST", f"{DAG}/dagRuns"),
    "trigger by an asset": ("POST", f"{API}/assets/events"),
    "backfill": ("POST", f"{API}/backfills"),
    "clear": ("POST", f"{DAG}/clearTaskInstances"),
    "clear a study": ("POST", f"{STUDY}/clearTaskInstances"),
    "clear a run": ("POST", f"{DAG}/dagRuns/none/clear"),
    "mark a run": ("PATCH", f"{DAG}/dagRuns/none"),
    "mark a task": ("PATCH", f"{DAG}/dagRuns/none/taskInstances/poll"),
    "pause": ("PATCH", DAG),
    "pause all": ("PATCH", f"{API}/dags"),
    "delete a run": ("DELETE", f"{DAG}/dagRuns/none"),
    "delete a study's run": ("DELETE", f"{STUDY}/dagRuns/none"),
    "delete a DAG": ("DELETE", f"{API}/dags/no_such_dag"),
    "see variables": ("GET", f"{API}/variables"),
    "make a variable": ("POST", f"{API}/variables"),
    "change a variable": ("PATCH", f"{API}/variables/no_such_variable"),
    "delete a variable": ("DELETE", f"{API}/variables/no_such_variable"),
    "change a pool": ("PATCH", f"{API}/pools/no_such_pool"),
    "see connections": ("GET", f"{API}/connections"),
    "make a connection": ("POST", f"{API}/connections"),
    "change a connection": ("PATCH", f"{API}/connections/no_such_connection"),
    "delete a connection": ("DELETE", f"{API}/connections/no_such_connection"),
    "change an XCom": ("PATCH", f"{DAG}/dagRuns/none/taskInstances/poll/xcomEntries/none"),
    "see users": ("GET", f"{USERS}/users"),
    "make a user": ("POST", f"{USERS}/users"),
    "change a user": ("PATCH", f"{USERS}/users/no_such_user"),
    "delete a user": ("DELETE", f"{USERS}/users/no_such_user"),
    "change a role": ("PATCH", f"{USERS}/roles/no_such_role"),
}
VIEWER = {
    "see the page",
    "see the queue",
    "see what people did at the desk",
    "see DAGs",
    "see runs",
    "see the link to the page",
}
ANALYST = VIEWER | {"see logs", "see code", "see XComs"}
ANALYST |= {"decide on alerts", "silence alerts", "open cases"}
SIGN = {"sign decisions", "sign cases"}
LEAD = ANALYST | SIGN | {"see the audit log", "trigger a study"}
KEPT_FROM_OPERATORS = {act for act in ACTS if "connection" in act or "user" in act or act.endswith((" role", " XCom"))}
MAY = {
    "Viewer": VIEWER,
    "Analyst": ANALYST,
    "Lead": LEAD,
    "Operator": set(ACTS) - KEPT_FROM_OPERATORS - SIGN,
    "Admin": set(ACTS),
}


def acts_allowed(request: Callable[..., Any], headers: dict[str, str]) -> set[str]:
    """Try every act through ``request`` (httpx's) and return those that were not refused."""
    allowed = set()
    for act, (method, address) in ACTS.items():
        body = {"json": NONSENSE} if method in ("POST", "PATCH") else {}
        answer = request(method, address, headers=headers | OWN, **body)
        assert answer.status_code < 500, f"{act}: {answer.status_code} {answer.text[:500]}"
        if answer.status_code not in (401, 403):
            allowed.add(act)
    return allowed


def acts_of_every_role(airflow: str, admin_password: str) -> dict[str, set[str]]:
    """Give each role a user, as the administrator does, and return what each may do at the running Airflow."""
    with httpx.Client(base_url=airflow, timeout=60) as client:

        def sign_in(name: str, password: str) -> dict[str, str]:
            answer = client.post("/auth/token", json={"username": name, "password": password}).raise_for_status()
            return {"Authorization": f"Bearer {answer.json()['access_token']}"}

        admin, allowed = sign_in("admin", admin_password), {}
        for role in MAY:
            name = f"nina-{role.lower()}"
            user = {"username": name, "first_name": "Nina", "last_name": role, "email": f"{name}@example.com"}
            user |= {"roles": [{"name": role}], "password": f"password of {role}"}
            client.post(f"{USERS}/users", json=user, headers=admin).raise_for_status()
            allowed[role] = acts_allowed(client.request, sign_in(name, user["password"]))
        return allowed
