"""The client of the desk, on the real API server: what the pages show as its example, and what it does when refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from include.desk_client import Desk, RefusedError, Session
from include.desk_client import desk as client_of_desk
from tests.orchestration.conftest import alert, crowd, store
from tests.paths import ROOT

PAGE = ROOT / "docs" / "operate" / "people-and-rights.md"
KO, CRITICAL = alert("KO"), alert("KO", severity="critical", rule="news_impact")


@pytest.fixture
def sign_in_at(server):
    """A function: the desk of somebody who has a role."""
    return lambda role: Desk(Session(server, role.lower(), f"password of {role}"))


@pytest.fixture
def nina(desk, sign_in_at):
    """An analyst's desk with nothing on it."""
    return sign_in_at("Analyst")


def test_the_example_of_the_pages_runs(nina, server):
    store([KO, CRITICAL, alert("PEP")])
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert len(example.strip().splitlines()) <= 12
    own = {"http://localhost:8080": server, "nina": "analyst", "her password": "password of Analyst"}
    for shown, here in own.items():
        assert shown in example
        example = example.replace(shown, here)
    exec(example, {})
    states = {row["alert_id"]: (row["state"], row["owner"], row["reason"]) for row in nina.alerts()}
    assert states == {
        KO.event_id: ("closed", "analyst", "explained"),
        CRITICAL.event_id: ("to sign", "analyst", "explained"),
        alert("PEP").event_id: ("open", None, None),
    }
    (silence,), (case,) = nina.silences(), nina.cases()
    assert (silence["matcher"]["symbol"], silence["author"]) == ("KO", "analyst")
    assert set(case["alerts"]) == {KO.event_id, CRITICAL.event_id}
    assert [it["event"] for it in nina.alert(KO.event_id)["acts"]] == ["close", "note", "take"]


def test_all_pages_are_walked(nina, monkeypatch):
    monkeypatch.setattr(client_of_desk, "PAGE", 3)
    store(crowd(10))
    assert {row["symbol"] for row in nina.alerts()} == {one.symbol for one in crowd(10)}
    assert len(list(nina.alerts(order="newest", severity=["high", "low"]))) == 10
    assert list(nina.alerts(history=True)) == []
    numbers = [nina.open_case(f"case {number}") for number in range(7)]
    assert [case["case_id"] for case in nina.cases()] == numbers[::-1]
    assert list(nina.cases(status="handed over")) == []


def test_whoever_is_second_is_refused_with_what_it_is_now(nina, sign_in_at):
    store([KO])
    (seen,) = nina.alerts()
    sign_in_at("Lead").take([seen])
    with pytest.raises(RefusedError, match="somebody else was faster") as refused:
        nina.take([seen])
    assert refused.value.status == 409
    assert refused.value.answer["current"][KO.event_id]["owner"] == "lead"


def test_a_silence_ends(nina):
    number = nina.silence("why", datetime.now(UTC) + timedelta(hours=1), rule="price_gap")
    assert nina.end_silence(number)["ended_by"] == "analyst"


def test_what_gets_no_answer_is_sent_again_with_its_key(nina, monkeypatch):
    """The act is done, and its answer is lost on the way."""
    store([KO])
    ask, lost = nina._session.ask, []

    def lose_first(method, path, **options):
        answer = ask(method, path, **options)
        if method == "POST" and not lost:
            lost.append(options["headers"]["Idempotency-Key"])
            raise httpx.ReadError("gone")
        return answer

    monkeypatch.setattr(nina._session, "ask", lose_first)
    number = nina.open_case("once")
    assert [case["case_id"] for case in nina.cases()] == [number]
    assert len(lost) == 1


def test_nobody_is_waited_for_longer_than_said(nina, monkeypatch):
    def away(*_, **__):
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(nina._session, "ask", away)
    with pytest.raises(httpx.ConnectError):
        Desk(nina._session, patience_seconds=0.0).open_case("never")


def test_whoever_is_signed_out_signs_in_again(nina):
    """The server answers 401, as it does to a token that has run out."""
    del nina._session._http.headers["Authorization"]
    assert nina.ask("me")["name"] == "analyst"


def test_a_viewer_is_told_what_he_lacks(nina, sign_in_at):
    store([KO])
    with pytest.raises(RefusedError, match="ask an administrator for role Analyst"):
        sign_in_at("Viewer").note([{"alert_id": KO.event_id}], "x")
