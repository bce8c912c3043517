"""Silences over HTTP: previewed, made with an end, listed and ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from include.orchestration.page.silences import Span
from include.surveillance.timespans import SPAN_MS, now_ms
from tests.orchestration.conftest import alert, store

PATH = "/surveillance/api/v1/silences"


def test_every_timespan_can_be_meant():
    assert set(get_args(Span)) == set(SPAN_MS)


def later(**delta):
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


@pytest.fixture
def analyst(sign_in, desk):
    return sign_in("Analyst") | {"X-Surveillance": "page"}


def test_previewed_made_listed_and_ended(client, analyst, viewer):
    store([alert("AMZN", ts_ms=now_ms() - 3_600_000), alert("KO", ts_ms=now_ms() - 3_600_000)])
    counted = client.get(f"{PATH}/preview", params={"symbol": "AMZN"}, headers=viewer).json()
    assert (counted["alerts"], counted["symbols"]) == (1, {"AMZN": 1})
    body = {"symbol": "AMZN", "reason": "stale until tomorrow", "ends_at": later(days=1)}
    number = client.post(PATH, headers=analyst, json=body).json()["silence_id"]
    (listed,) = client.get(PATH, headers=viewer).json()["silences"]
    assert (listed["silence_id"], listed["author"], listed["matcher"]["symbol"]) == (number, "analyst", "AMZN")
    ended = client.post(f"{PATH}/{number}/end", headers=analyst, json={})
    assert (ended.status_code, ended.json()["ended_by"]) == (200, "analyst")
    assert client.post(f"{PATH}/{number}/end", headers=analyst, json={}).status_code == 422
    assert client.post(f"{PATH}/999/end", headers=analyst, json={}).status_code == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": None},
        {"ends_at": None},
        {"ends_at": later(days=-1)},
        {"ends_at": later(days=31)},
        {"ends_at": "9999-12-31T23:59:59Z"},
        {"ends_at": "2030-01-01T00:00:00"},
        {"reason": " "},
        {"up_to": "huge"},
        {"timespan": "eon"},
        {"author": "somebody else"},
    ],
)
def test_one_without_an_end_a_reason_or_a_meaning_is_refused(client, analyst, desk, changes):
    body = {"symbol": "AMZN", "reason": "stale", "ends_at": later(days=1)} | changes
    assert client.post(PATH, headers=analyst, json=body).status_code == 422
    assert desk("select * from silences") == []
