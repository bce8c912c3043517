"""Who signed in and who changed users and roles is in Airflow's table log, without their passwords."""

from __future__ import annotations

import json
import re

import pytest
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from flask import current_app

from include.orchestration.accounts.apply_roles import apply_roles

USERS = "/auth/fab/v1/users"


def noted(after=0):
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import select

    events = ("sign_in", "sign_in_refused", "change_accounts")
    with create_session() as session:
        rows = session.scalars(select(Log).where(Log.event.in_(events), Log.id > after).order_by(Log.id)).all()
        return [(row.event, row.owner_display_name, json.loads(row.extra)) for row in rows]


@pytest.fixture
def newest(client, sign_in):
    """The id of the last row; whoever the test needs is signed in."""
    for role in ("Admin", "Analyst"):
        sign_in(role)
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with create_session() as session:
        return session.scalar(select(func.max(Log.id))) or 0


@pytest.mark.parametrize(
    ("password", "event", "status"), [("password of Lead", "sign_in", 201), ("guessed", "sign_in_refused", 401)]
)
def test_a_sign_in_by_token_is_noted(client, newest, password, event, status):
    client.post("/auth/token", json={"username": "lead", "password": password})
    act = {"method": "POST", "path": "/token", "status": status, "done": status == 201}
    assert noted(newest) == [(event, "lead", act)]


@pytest.mark.parametrize(("password", "event"), [("password of Lead", "sign_in"), ("guessed", "sign_in_refused")])
def test_a_sign_in_by_the_form_is_noted(client, newest, password, event):
    page = client.get("/auth/login/").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]
    form = {"csrf_token": token, "username": "lead", "password": password}
    client.post("/auth/login/", data=form, follow_redirects=False)
    client.cookies.clear()
    ((seen, who, act),) = noted(newest)
    assert (seen, who, act["path"], act["done"]) == (event, "lead", "/login/", event == "sign_in")
    assert password not in json.dumps(act)


@pytest.mark.parametrize(("kind", "expected"), [(4, [("sign_in", "lead", {"done": True})]), (1, [])])
def test_a_sign_in_by_a_provider_is_noted(client, newest, monkeypatch, kind, expected):
    """What Flask-AppBuilder calls when the provider has sent somebody back."""
    with get_application_builder() as appbuilder:
        monkeypatch.setitem(current_app.config, "AUTH_TYPE", kind)
        appbuilder.sm.update_user_auth_stat(appbuilder.sm.find_user("lead"))
    assert noted(newest) == expected


def test_who_changes_users_and_roles_is_noted(client, newest, sign_in):
    admin = sign_in("Admin")
    user = {"username": "otto", "first_name": "O", "last_name": "T", "email": "otto@example.com"}
    client.post(USERS, json={**user, "roles": [{"name": "Viewer"}], "password": "s3cret-word"}, headers=admin)
    client.patch(f"{USERS}/otto?update_mask=roles", json={"roles": [{"name": "Operator"}]}, headers=admin)
    client.delete(f"{USERS}/otto", headers=admin)
    acts = noted(newest)
    assert [(event, who, act["method"], act["path"], act["done"]) for event, who, act in acts] == [
        ("change_accounts", "admin", "POST", "/fab/v1/users", True),
        ("change_accounts", "admin", "PATCH", "/fab/v1/users/otto", True),
        ("change_accounts", "admin", "DELETE", "/fab/v1/users/otto", True),
    ]
    assert acts[0][2]["fields"] == {**user, "roles": [{"name": "Viewer"}]}
    assert acts[1][2]["fields"] == {"roles": [{"name": "Operator"}]}
    assert "s3cret" not in json.dumps(acts)


def test_an_attempt_is_noted_too(client, newest, sign_in):
    client.delete(f"{USERS}/admin", headers=sign_in("Analyst"))
    client.delete(f"{USERS}/admin", headers={"Authorization": "Bearer nonsense"})
    assert [(who, act["done"]) for _, who, act in noted(newest)] == [("analyst", False), ("nobody", False)]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[1, 2]", "application/json"),
        (b"{", "application/json"),
        (b'{"username": {"password": "s3cret"}, "a": [{"Token": "s3cret"}]}', "application/json"),
        (b"%ff&=&&a=%", "application/x-www-form-urlencoded"),
        (b"x" * 200_000, "application/x-www-form-urlencoded"),
        (b'{"username": "a\\u0000b\\n", "password": "x"}', "application/json"),
        (b"", ""),
    ],
)
def test_a_body_of_any_shape_is_passed_on(client, newest, content, kind):
    answer = client.post("/auth/token", content=content, headers={"Content-Type": kind})
    assert answer.status_code in (400, 401, 422)
    assert [event for event, _, _ in noted(newest)] == ["sign_in_refused"]
    assert "s3cret" not in json.dumps(noted(newest))


def test_a_stranger_fills_no_log(client, newest):
    long = {"username": "x" * 60_000, "first_name": "y" * 60_000}
    client.post("/auth/token", json={**long, "password": "guessed"})
    client.post(USERS, json=long)
    client.delete(f"{USERS}/{'z' * 30_000}")
    assert len(noted(newest)) == 3
    assert len(json.dumps(noted(newest))) < 2_000


def test_who_guesses_is_not_asked_for_a_while_and_others_are(client, newest):
    apply_roles([("mia", "password of mia", "Viewer")])

    def ask(name, password):
        return client.post("/auth/token", json={"username": name, "password": password}).status_code

    assert [ask("mia", f"guess {number}") for number in range(7)] == [401] * 5 + [429] * 2
    assert ask("mia", "password of mia") == 429, "even with the right one at last"
    assert ask("lead", "password of Lead") == 201
    assert [event for event, _, _ in noted(newest)] == ["sign_in_refused"] * 5 + ["sign_in"], "nor is it noted"


def test_right_passwords_are_never_too_many(client):
    login = {"username": "lead", "password": "password of Lead"}
    assert {client.post("/auth/token", json=login).status_code for _ in range(8)} == {201}


def test_reading_is_not_noted(client, newest, sign_in):
    client.get(USERS, headers=sign_in("Admin"))
    client.get("/auth/login/")
    client.get("/api/v2/dags", headers=sign_in("Admin"))
    assert noted(newest) == []
