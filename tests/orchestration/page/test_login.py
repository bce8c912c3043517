"""Nothing without a login, in the whole API server: every route is asked, so that a new one is too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.routing import BaseRoute

# What is open shows nothing of ours: the empty page that asks for a login, with its scripts,
SHELL = {"/{rest_of_path:path}", "/static", "/auth/static", "/auth/{rest_of_path:path}"}
# the login itself, whether Airflow is well, addresses that are no more,
LOGIN = {"/auth/token", "/auth/token/cli", "/api/v2/auth/login", "/api/v2/auth/logout"}
STATUS = {"/api/v2/monitor/health", "/api/v2/version", "/health", "/api/{_:path}", "/api/v1/{_:path}"}
# and the descriptions of Airflow's and Cosmos's own interfaces, which anybody can read elsewhere.
PAGES = ("docs", "docs/oauth2-redirect", "redoc", "openapi.json", "changelog")
MANUALS = {f"{app}/{page}" for app in ("", "/auth", "/cosmos", "/execution") for page in PAGES}

# An administrator's token, by its own account: algorithm none, no signature.
UNSIGNED = ".".join(["eyJhbGciOiJub25lIn0", "eyJzdWIiOiJhZG1pbiIsInJvbGUiOiJhZG1pbiJ9", ""])


def routes(mounted: list[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and address pattern of every route, also of applications and folders below."""
    for route in mounted:
        below, path = getattr(route, "routes", None), prefix + getattr(route, "path", "")
        if below and not hasattr(route, "methods"):
            yield from routes(below, path)
        else:
            for method in getattr(route, "methods", None) or {"GET"}:
                yield method, path


def test_every_route_wants_a_login(client):
    asked, answers = set(), {}
    for method, pattern in routes(client.app.routes):
        if method == "HEAD" or pattern in MANUALS:
            continue
        address = re.sub(r"\{[^}]*\}", "1", pattern)
        answer = client.request(method, address, json={}, follow_redirects=False)
        asked.add(pattern)
        if answer.status_code not in (401, 403):
            answers[pattern] = (method, answer.status_code)
    assert sum(pattern.startswith("/surveillance/") for pattern in asked) >= 7
    assert sum(pattern.startswith("/api/v2/") for pattern in asked) >= 50
    assert not {pattern: answer for pattern, answer in answers.items() if pattern not in SHELL | LOGIN | STATUS}


def test_our_routes_change_nothing(client):
    methods = {method for method, pattern in routes(client.app.routes) if pattern.startswith("/surveillance")}
    assert methods <= {"GET", "HEAD"}


@pytest.mark.parametrize("token", ["", "nonsense", UNSIGNED])
def test_a_made_up_token_is_none(client, token):
    for address in ("/surveillance/api/alerts", "/surveillance/reports/", "/api/v2/dags"):
        assert client.get(address, headers={"Authorization": f"Bearer {token}"}).status_code in (401, 403)
        assert client.get(address, headers={"Cookie": f"_token={token}"}).status_code in (401, 403)


def test_a_wrong_password_gets_no_token(client):
    assert client.post("/auth/token", json={"username": "admin", "password": "nimda"}).status_code == 401


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("POST", "dags/ingest_market_data/dagRuns", {"logical_date": None}),
        ("PATCH", "dags/ingest_market_data", {"is_paused": True}),
        ("DELETE", "dags/ingest_market_data", None),
        ("POST", "dags/ingest_market_data/clearTaskInstances", {"dry_run": False}),
        ("POST", "variables", {"key": "watchlist", "value": "EVIL"}),
        ("POST", "connections", {"connection_id": "polygon_default", "conn_type": "http"}),
        ("POST", "pools", {"name": "more", "slots": 9}),
        ("GET", "connections", None),
        ("GET", "variables", None),
        ("GET", "config", None),
    ],
)
def test_a_viewer_may_look_at_runs_but_change_and_configure_nothing(client, viewer, method, address, body):
    assert client.get("/api/v2/dags", headers=viewer).status_code == 200
    assert client.request(method, f"/api/v2/{address}", json=body, headers=viewer).status_code == 403
