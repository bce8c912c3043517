"""The desk's interface as a whole: described behind the login, bounded in size, and whatever is sent is text."""

from __future__ import annotations

import json
import os
import re

import pytest

from include.orchestration.page.app import MOST_BYTES
from tests.orchestration.conftest import alert, store

PATH = "/surveillance/api/v1"
OWN = {"X-Surveillance": "page"}
HOSTILE = "<img src=x onerror=alert(1)> '; drop table alerts; -- {{ 7*7 }} %s \u202e\U0001f4a9"


@pytest.fixture
def nina(sign_in):
    return sign_in("Analyst") | OWN


def test_the_interface_is_described_to_whoever_may_read(client, viewer, desk):
    assert client.get(f"{PATH}/openapi.json").status_code == 401
    description = client.get(f"{PATH}/openapi.json", headers=viewer).json()
    assert description["info"]["version"] == "1"
    assert len(description["paths"]) >= 25
    assert all(path.startswith("/api/v1/") for path in description["paths"])
    for path, methods in description["paths"].items():
        assert all(method["summary"] for method in methods.values()), path


@pytest.mark.parametrize(
    ("length", "status"), [(str(MOST_BYTES + 1), 413), ("9" * 5_000, 413), ("-1", 411), ("many", 411)]
)
def test_what_is_too_large_is_refused_before_it_is_read(client, nina, desk, length, status):
    answer = client.post(f"{PATH}/cases", headers=nina | {"Content-Length": length}, content=b'{"title": "KO"}')
    assert answer.status_code == status


def test_what_does_not_say_its_size_is_refused(client, nina, desk):
    answer = client.post(
        f"{PATH}/cases", headers=nina | {"Content-Type": "application/json"}, content=iter([b'{"title":', b' "KO"}'])
    )
    assert answer.status_code == 411


@pytest.mark.parametrize("text", ["a\0b", "\ud800", ""])
def test_what_cannot_be_stored_is_refused(client, nina, desk, text):
    store([alert()])
    ids = {alert().event_id: 0}
    bodies = {
        "reviews/note": {"alerts": list(ids), "text": text},
        "reviews/close": {"alerts": ids, "reason": text},
        "reviews/take": {"alerts": {text: 0}},
        "reviews/assign": {"alerts": ids, "owner": text},
        "silences": {"symbol": "KO", "reason": text, "ends_at": "2030-01-01T00:00:00Z"},
        "cases": {"title": text},
    }
    for path, body in bodies.items():
        answer = client.post(
            f"{PATH}/{path}", headers=nina | {"Content-Type": "application/json"}, content=json.dumps(body)
        )
        assert answer.status_code == 422, path
    assert desk("select * from audit_log") == []


@pytest.mark.parametrize(
    "query",
    [
        "alerts?symbol=%00", "alerts?text=%00", "alerts?after=%00", "alerts?state=lost", "alerts?limit=0",
        "alerts?limit=501", "alerts?since=2026-01-01", "alerts?order=random", "alerts/%00", "acts?object_id=%00",
        "acts?object_kind=x", "acts?before=99999999999999999999", "cases?alert=%00", "cases/0",
        "cases/99999999999999999999", "cases/x", "silences/preview?symbol=%00", "counts?kind=weather",
    ],
)  # fmt: skip
def test_an_impossible_question_is_refused(client, viewer, desk, query):
    assert client.get(f"{PATH}/{query}", headers=viewer).status_code == 422


def test_hostile_text_comes_back_as_text(client, viewer, nina, desk):
    store([alert(explanation=HOSTILE)])
    key = alert().event_id
    client.post(f"{PATH}/reviews/note", headers=nina, json={"alerts": [key], "text": HOSTILE})
    client.post(f"{PATH}/cases", headers=nina, json={"title": HOSTILE, "narrative": HOSTILE, "alerts": [key]})
    answer = client.get(f"{PATH}/alerts/{key}", headers=viewer)
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == ("nosniff", "no-store")
    assert (answer.json()["alert"]["explanation"], answer.json()["acts"][0]["details"]) == (HOSTILE, HOSTILE)
    case = client.get(f"{PATH}/cases/1", headers=viewer).json()["case"]
    assert case["narrative"] == HOSTILE
    assert "\u202e" not in case["title"]


def test_a_database_that_is_away_changes_nothing_and_says_so(client, nina, viewer, desk, monkeypatch):
    away = re.sub(r":\d+/", ":1/", os.environ["AIRFLOW_CONN_SURVEILLANCE_DESK"])
    for name in ("SURVEILLANCE_DESK", "SURVEILLANCE_READER"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", away)
    for answer in (
        client.get(f"{PATH}/alerts", headers=viewer),
        client.post(f"{PATH}/cases", headers=nina, json={"title": "KO"}),
    ):
        assert answer.status_code == 503
        assert "try again" in answer.json()["detail"]
        assert "surveillance_desk" not in answer.text
        assert "127.0.0.1" not in answer.text


def test_acts_are_paged(client, viewer, nina, desk):
    store([alert()])
    for number in range(5):
        client.post(f"{PATH}/reviews/note", headers=nina, json={"alerts": [alert().event_id], "text": f"note {number}"})
    first = client.get(f"{PATH}/acts", params={"limit": 3}, headers=viewer).json()["acts"]
    rest = client.get(f"{PATH}/acts", params={"before": first[-1]["audit_id"]}, headers=viewer).json()["acts"]
    assert [act["details"] for act in first + rest] == [f"note {number}" for number in (4, 3, 2, 1, 0)]
    assert client.get(f"{PATH}/acts", params={"object_kind": "case"}, headers=viewer).json()["acts"] == []
