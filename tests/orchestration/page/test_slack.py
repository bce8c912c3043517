"""Buttons in Slack: signed just now and never sent before, by somebody known who may, done as the page does it.

``slack/block_actions.json`` has the fields of Slack's reference for ``block_actions`` of a message's button.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

from include.orchestration.application.audit import verify_audit
from include.orchestration.application.reviews import change_reviews
from include.orchestration.page import slack
from include.surveillance.desk.reviews import assign
from tests.orchestration.conftest import alert, store

PATH = "/slack/actions"
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
PAYLOAD = json.loads((Path(__file__).parent / "slack" / "block_actions.json").read_text())
KO = alert("KO")
PEOPLE = {"U0NINA": "analyst", "U0VERA": "viewer", "U0GONE": "nobody-here"}


@pytest.fixture
def people(sign_in, desk, monkeypatch):
    """One alert, and connection ``slack_actions`` of people who exist, of one who does not."""
    connection = {"conn_type": "generic", "password": SECRET, "extra": {"users": PEOPLE}}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_ACTIONS", json.dumps(connection))
    sign_in("Analyst")
    store([KO])
    desk("truncate requests")
    return desk


@pytest.fixture
def answers(sink, monkeypatch):
    """What people are answered in Slack."""
    monkeypatch.setattr(slack, "ANSWERS", sink.url)
    return lambda: [request.json["text"] for request in sink.taken]


def press(client, sink=None, *, at=None, secret=SECRET, signature=None, body=None, user="U0NINA", **pressed):
    """Send what Slack sends when somebody presses a button."""
    url = f"{sink.url}/answer" if sink else PAYLOAD["response_url"]
    payload = PAYLOAD | {
        "user": PAYLOAD["user"] | {"id": user},
        "response_url": url,
        "actions": [PAYLOAD["actions"][0] | pressed],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode() if body is None else body
    at = str(int(time.time()) if at is None else at)
    digest = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": f"v0={digest}" if signature is None else signature,
    }
    return client.post(PATH, headers=headers, content=body)


def acts(desk):
    return desk("select actor, event, object_kind, object_id, details from audit_log order by audit_id")


def test_the_payload_names_the_alert():
    assert PAYLOAD["actions"][0]["value"] == KO.event_id


def test_an_alert_is_taken_in_the_name_of_whoever_pressed(client, people, sink, answers):
    answer = press(client, sink)
    assert (answer.status_code, answer.content) == (200, b"")
    assert people("select state, owner, version from reviews") == [("in review", "analyst", 1)]
    assert acts(people) == [("analyst", "take", "alert", KO.event_id, "from Slack")]
    assert verify_audit() == 1
    assert answers() == ["KO price_gap: yours now."]
    assert sink.taken[0].json["response_type"] == "ephemeral"


def test_an_hours_silence_is_of_the_rule_and_the_symbol(client, people, sink, answers):
    press(client, sink, action_id="silence")
    ((matcher, author, hours),) = people(
        "select matcher, author, extract(epoch from ends_at - begins_at) / 3600 from silences"
    )
    assert ({name: it for name, it in matcher.items() if it}, author, hours) == (
        {"rule": "price_gap", "symbol": "KO"},
        "analyst",
        1,
    )
    assert [act[:3] for act in acts(people)] == [("analyst", "silence", "silence")]
    assert answers()[0].startswith("KO price_gap: nobody is told until ")


def test_what_somebody_else_has_taken_is_left_to_him(client, people, sink, answers):
    change_reviews("omar", "take", {KO.event_id: 0}, lambda review, _: assign(review, "omar"))
    press(client, sink)
    assert people("select owner, version from reviews") == [("omar", 1)]
    assert answers() == ["Nothing was done: the alert is in review and omar's."]


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "another"},
        {"signature": ""},
        {"signature": "v0=é".encode()},
        {"signature": "v1=00"},
        {"at": "soon"},
        {"at": ""},
        {"at": "9" * 5_000},
        {"body": b"\xff\xfe"},
    ],
)
def test_what_is_not_signed_is_refused(client, people, wrong):
    assert press(client, **wrong).status_code == 401
    assert acts(people) == []
    assert people("select * from requests") == []


@pytest.mark.parametrize(("seconds", "status"), [(-400, 401), (-200, 200), (200, 200), (400, 401)])
def test_a_signature_holds_for_five_minutes(client, people, seconds, status):
    assert press(client, at=int(time.time()) + seconds).status_code == status


def test_what_was_sent_before_is_refused(client, people):
    now = int(time.time())
    assert press(client, at=now, action_id="silence").status_code == 200
    assert press(client, at=now, action_id="silence").status_code == 409
    assert people("select count(*) from silences") == [(1,)]


@pytest.mark.parametrize(
    ("user", "actor", "why"),
    [
        ("U0VERA", "viewer", "viewer may not: ask an administrator for role Analyst"),
        ("U0GONE", "nobody-here", "nobody-here may not: ask an administrator for role Analyst"),
        ("U0EVE", "slack U0EVE", "connection slack_actions does not say who U0EVE is in Airflow"),
    ],
)
@pytest.mark.parametrize("action", ["take", "silence"])
def test_whoever_may_not_or_is_unknown_is_refused_and_noted(client, people, sink, answers, user, actor, why, action):
    assert press(client, sink, user=user, action_id=action).status_code == 200
    assert acts(people) == [(actor, "refused", "request", f"slack {action}", why)]
    assert answers() == [f"Nothing was done: {why}."]
    assert people("select (select count(*) from silences) + (select count(*) from reviews)") == [(0,)]


def test_somebody_who_was_made_inactive_is_refused(client, people):
    with get_application_builder() as appbuilder:
        manager = appbuilder.sm
        user = manager.add_user("lee", "lee", "x", "lee@localhost", manager.find_role("Analyst"), "password of Lee")
        user.active = False
        manager.session.commit()
    assert slack.list_writable_by("lee") == []
    assert slack.list_writable_by("analyst") != []


def test_a_button_that_only_opens_is_taken_and_does_nothing(client, people, sink, answers):
    assert press(client, sink, action_id="open", user="U0EVE").status_code == 200
    assert press(client, sink, action_id="unknown", user="U0EVE").status_code == 200
    assert (acts(people), answers()) == ([], [])


def test_an_alert_that_is_not_there_is_told(client, people, sink, answers):
    press(client, sink, value="none")
    assert answers() == ["Nothing was done: there is no alert none."]


def test_nothing_is_answered_elsewhere_than_in_slack(client, people, sink, monkeypatch):
    monkeypatch.setattr(slack, "ANSWERS", "https://hooks.slack.com/")
    assert press(client, sink).status_code == 200
    assert sink.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"payload=%7B",
        b"payload=1&payload=2",
        b"other=1",
        b"",
        b'payload={"user": {"id": "a"}}',
        b"payload=%ff",
    ],
)
def test_what_is_signed_and_no_payload_is_refused(client, people, body):
    assert press(client, body=body).status_code == 400
    assert acts(people) == []


def test_without_the_connection_nothing_is_taken(client, people, monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_SLACK_ACTIONS")
    assert press(client).status_code == 401


def test_what_is_too_large_is_refused_before_it_is_read(client, people):
    assert press(client, body=b"payload=" + b"x" * slack.MOST_BYTES).status_code == 413
