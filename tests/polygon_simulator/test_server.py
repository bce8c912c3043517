"""The application: health, the controls, and what the vendor's routes alone do."""

from __future__ import annotations

import httpx
import pytest
from starlette.testclient import TestClient

from include.polygon_simulator.server import create_app
from tests.polygon_simulator.constants import MINUTE, NOON


@pytest.mark.parametrize("path", ["/simulator/labels", "/simulator/market", "/simulator/symbols"])
def test_the_controls_need_the_key_too(served, path):
    assert httpx.get(served.url + path).status_code == 401
    assert served.get(path).status_code == 200


def test_an_unknown_path(served):
    assert served.get("/v9/nothing").status_code == 404


def test_labels_are_shown_once_they_have_begun(served):
    labels = served.get("/simulator/labels").json()["labels"]
    assert labels
    assert all(label["start_ms"] <= NOON for label in labels)
    recent = served.get("/simulator/labels", from_ms=NOON - 10 * MINUTE, to_ms=NOON).json()["labels"]
    assert 0 < len(recent) < len(labels)
    assert all(label["end_ms"] >= NOON - 10 * MINUTE for label in recent)


def test_answers_of_the_vendor_are_held_back_and_the_controls_not(monkeypatch, market):
    held = []

    def uniform(*bounds: float) -> float:
        held.append(bounds)
        return 0.0

    monkeypatch.setattr("include.polygon_simulator.misbehaviour.uniform", uniform)
    with TestClient(create_app(market, "key", answer_ms=(20, 80))) as client:
        for path in ("/health", "/simulator/market", "/v1/marketstatus/now"):
            assert client.get(path, params={"apiKey": "key"}).status_code == 200
    assert held == [(20, 80)]


def test_an_unknown_kind_is_refused_with_the_known_ones(served):
    answer = served.http.post("/simulator/misbehave", json={"kind": "sulk"})
    assert answer.status_code == 400
    assert "repeated_next_url" in answer.json()["error"]
