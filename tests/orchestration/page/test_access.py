"""Who may write at the desk, route by route and role by role, and that no other site writes in his name."""

from __future__ import annotations

import pytest
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.routing import APIRoute

from include.orchestration.accounts.roles import ADMIN, ROLES
from include.orchestration.page import access, pulse
from include.orchestration.page.desk import desk as router

PATH = "/surveillance/api/v1"
OWN = {"X-Surveillance": "page"}
DECIDE = {f"/reviews/{act}" for act in ("take", "assign", "release", "close", "reopen", "note")}
SILENCE = {"/silences", "/silences/{number}/end"}
CASE = {"/cases", *(f"/cases/{{number}}/{act}" for act in ("describe", "add", "remove", "attach", "submit"))}
SIGN = {f"/{kind}/{act}" for kind in ("reviews", "cases/{number}") for act in ("sign", "send-back")}
SIGN |= {"/reports/daily/{session}/sign"}
MAY = {
    "Viewer": set(),
    "Analyst": DECIDE | SILENCE | CASE,
    "Lead": DECIDE | SILENCE | CASE | SIGN,
    "Operator": DECIDE | SILENCE | CASE,
    ADMIN: DECIDE | SILENCE | CASE | SIGN,
}
ROUTES = {(method, route.path.removeprefix(router.prefix)) for route in router.routes if isinstance(route, APIRoute)
          for method in route.methods}  # fmt: skip
# Judges an alert again, and changes nothing.
EXPLAIN = "/alerts/{alert_id:path}/explain"
WRITES = {path for method, path in ROUTES if method == "POST"} - {EXPLAIN}


EXAMPLES = {
    "number": "1",
    "attachment": "1",
    "alert_id:path": "none",
    "name": "none",
    "session": "2026-03-09",
    "sha256": "0" * 64,
}


def address(path):
    for name, example in EXAMPLES.items():
        path = path.replace(f"{{{name}}}", example)
    return PATH + path


def acts(desk):
    return desk("select actor, event, object_kind, object_id, details from audit_log order by audit_id")


def test_every_route_is_in_the_table():
    assert {method for method, _ in ROUTES} == {"GET", "POST"}
    assert WRITES == DECIDE | SILENCE | CASE | SIGN
    assert MAY.keys() == ROLES.keys() | {ADMIN}


@pytest.mark.parametrize("role", MAY)
def test_a_role_writes_what_it_is_for_and_what_is_refused_is_noted(client, sign_in, desk, role):
    """A body that means nothing is refused only after the role has been asked."""
    headers, refused = sign_in(role) | OWN, []
    for path in sorted(WRITES):
        answer = client.post(address(path), headers=headers, json={"nonsense": True})
        # Nobody has made silence 1.
        assert answer.status_code in ((404, 422) if path in MAY[role] else (403,)), path
        refused += [] if path in MAY[role] else [(role.lower(), "refused", "request", f"POST {address(path)}")]
    noted = acts(desk)
    assert [act[:4] for act in noted] == refused
    assert all("your role may not" in reason for *_, reason in noted)


@pytest.mark.parametrize("role", MAY)
def test_every_role_reads_everything(client, sign_in, desk, role, monkeypatch):
    monkeypatch.setattr(pulse, "STREAM_SECONDS", 0.0)
    for path in sorted(path for method, path in ROUTES if method == "GET"):
        assert client.get(address(path), headers=sign_in(role)).status_code in (200, 404), path
    answer = client.post(address(EXPLAIN), headers=sign_in(role) | OWN, json={})
    assert answer.status_code == 404
    assert acts(desk) == []


def test_everybody_is_told_what_he_may_write(client, sign_in, desk):
    told = {role: client.get(f"{PATH}/me", headers=sign_in(role)).json() for role in MAY}
    assert {role: answer["name"] for role, answer in told.items()} == {role: role.lower() for role in MAY}
    may = {role: set(answer["may_write"]) for role, answer in told.items()}
    assert may["Viewer"] == set()
    assert may["Lead"] == may[ADMIN] == may["Analyst"] | {"Surveillance signatures"}
    assert may["Operator"] == may["Analyst"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        OWN | {"Sec-Fetch-Site": "cross-site"},
        OWN | {"Sec-Fetch-Site": "same-site"},
        OWN | {"Sec-Fetch-Site": "none"},
        OWN | {"Origin": "https://evil.example"},
        OWN | {"Origin": "null"},
        OWN | {"Origin": "http://testserver.evil.example"},
    ],
)
def test_no_other_site_writes_in_somebodys_name(client, sign_in, desk, headers):
    for path in sorted(WRITES | {EXPLAIN}):
        answer = client.post(address(path), headers=sign_in(ADMIN) | headers, json={"nonsense": True})
        assert answer.status_code == 403, path
    assert [act[:2] for act in acts(desk)] == [("admin", "refused")] * (len(WRITES) + 1)


@pytest.mark.parametrize(
    "media_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"]
)
def test_a_form_is_not_taken(client, sign_in, desk, media_type):
    for path in sorted(WRITES):
        headers = sign_in(ADMIN) | OWN | {"Content-Type": media_type}
        assert client.post(address(path), headers=headers, content="a=1").status_code == 415, path


def test_an_act_that_says_nothing_needs_no_type_but_the_pages_word(client, sign_in, desk):
    assert client.post(f"{PATH}/silences/7/end", headers=sign_in("Analyst") | OWN).status_code == 404
    assert client.post(f"{PATH}/silences/7/end", headers=sign_in("Analyst")).status_code == 403


def test_the_page_itself_is_let_through(client, sign_in, desk):
    for own in ({"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}, {}):
        answer = client.post(f"{PATH}/cases", headers=sign_in("Analyst") | OWN | own, json={"title": "KO"})
        assert answer.status_code == 201


def test_nobody_unknown_writes_into_the_audit_log(client, desk):
    assert client.post(f"{PATH}/cases", headers=OWN, json={"title": "KO"}).status_code == 401
    assert client.post(f"{PATH}/cases", json={"title": "KO"}).status_code == 401
    assert acts(desk) == []


def test_a_manager_that_cannot_tell_reading_from_writing_lets_nobody_write(monkeypatch):
    class SimpleAuthManager:
        def is_authorized_custom_view(self, **_):
            return True

    monkeypatch.setattr(access, "get_auth_manager", SimpleAuthManager)
    assert access.list_writable(SimpleAuthManagerUser(username="vera", role="viewer")) == []
