"""Nothing without a login, in the whole API server: every route is asked, so that a new one is too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from airflow.api_fastapi.app import get_auth_manager
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from starlette.routing import BaseRoute

from include.orchestration.accounts.apply_roles import apply_roles

# What is open shows nothing of ours: the empty page that asks for a login, with its scripts,
SHELL = {"/{rest_of_path:path}", "/static"}
# the login itself, whether Airflow is well, addresses that are no more,
LOGIN = {"/auth", "/auth/token", "/auth/token/cli", "/auth/logout", "/api/v2/auth/login", "/api/v2/auth/logout"}
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


def test_every_page_of_users_and_roles_wants_a_login(client):
    pages = [rule for rule in get_auth_manager().flask_app.url_map.iter_rules() if "static" not in rule.endpoint]
    assert len(pages) >= 50
    for rule in pages:
        address = "/auth" + re.sub(r"<[^>]*>", "1", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = client.request(method, address, follow_redirects=False)
            if address == "/auth/login/" and method == "GET":
                assert answer.status_code == 200
            elif method == "GET":
                assert answer.status_code == 302, address
                assert answer.headers["location"].split("?")[0] in ("/", "/auth/", "/auth/login/"), address
            else:
                # A form without the token of its page.
                assert answer.status_code in (400, 401), address


def test_our_routes_change_nothing_but_at_the_desk(client):
    ours = {
        (method, pattern)
        for method, pattern in routes(client.app.routes)
        if pattern.startswith(("/surveillance", "/slack"))
    }
    # What people press there is signed by Slack.
    assert ("POST", "/slack/actions") in ours
    writing = {it for it in ours if it[0] not in ("GET", "HEAD")} - {("POST", "/slack/actions")}
    assert {method for method, _ in writing} == {"POST"}
    assert all(pattern.startswith("/surveillance/api/v1/") for _, pattern in writing)


@pytest.mark.parametrize("token", ["", "nonsense", UNSIGNED])
def test_a_made_up_token_is_none(client, token):
    for address in ("/surveillance/api/v1/alerts", "/surveillance/reports/", "/api/v2/dags"):
        assert client.get(address, headers={"Authorization": f"Bearer {token}"}).status_code in (401, 403)
        assert client.get(address, headers={"Cookie": f"_token={token}"}).status_code in (401, 403)


def test_a_wrong_password_gets_no_token(client):
    assert client.post("/auth/token", json={"username": "admin", "password": "nimda"}).status_code == 401


def test_the_page_has_a_permission_of_its_own(client, sign_in):
    """Who may see Airflow's website does not see the page by that."""
    apply_roles([("guest", "password of Guest", "Public")])
    with get_application_builder() as appbuilder:
        manager = appbuilder.sm
        manager.add_permission_to_role(manager.find_role("Public"), manager.create_permission("can_read", "Website"))
    try:
        assert client.get("/surveillance/", headers=sign_in("Viewer")).status_code == 200
        for route in ("", "web/desk.js", "api/v1/alerts", "reports/"):
            assert client.get(f"/surveillance/{route}", headers=sign_in("Guest")).status_code == 403, route
    finally:
        with get_application_builder() as appbuilder:
            appbuilder.sm.find_role("Public").permissions = []
            appbuilder.sm.session.commit()
