"""What is asked for twice with one key is done once and answered twice; and nobody gets another's answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from include.orchestration.application import requests
from include.orchestration.page import once
from tests.orchestration.conftest import alert, store

PATH = "/surveillance/api/v1"
OWN = {"X-Surveillance": "page"}


@pytest.fixture
def ask(client, sign_in, desk):
    """A function: who asks for what with which key."""
    desk("truncate requests")
    store([alert("KO")])

    def ask(path, body, key, role="Analyst"):
        return client.post(f"{PATH}/{path}", headers=sign_in(role) | OWN | {"Idempotency-Key": key}, json=body)

    return ask


TAKE = {"alerts": {alert("KO").event_id: 0}}
CASE = {"title": "KO moved"}


def count(desk, table):
    return desk(f"select count(*) from {table}")[0][0]


def test_asked_twice_done_once_answered_twice(ask, desk):
    first, again = ask("reviews/take", TAKE, "a"), ask("reviews/take", TAKE, "a")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(desk, "audit_log") == 1
    assert ask("cases", CASE, "b").json() == ask("cases", CASE, "b").json() == {"case_id": 1}
    note = {"alerts": [alert("KO").event_id], "text": "x"}
    assert [ask("reviews/note", note, "c").status_code for _ in range(2)] == [204, 204]
    assert count(desk, "audit_log") == 3


def test_a_key_is_of_one_person_and_one_act(ask, desk):
    assert ask("cases", CASE, "a").json() == {"case_id": 1}
    assert ask("cases", CASE | {"title": "another"}, "a").status_code == 422
    assert ask("cases", CASE, "a", role="Lead").json() == {"case_id": 2}
    assert count(desk, "cases") == 2


def test_what_was_refused_may_be_asked_for_again(ask, desk):
    assert ask("reviews/take", TAKE, "a", role="Viewer").status_code == 403
    assert ask("reviews/close", TAKE | {"reason": "none such"}, "b").status_code == 422
    assert count(desk, "requests") == 0
    assert ask("reviews/take", TAKE, "b").status_code == 200


def test_a_lost_answer_is_said_and_nothing_is_done_again(ask, desk, monkeypatch):
    def die(*_):
        raise BrokenPipeError

    monkeypatch.setattr(once, "keep_answer", die)
    with pytest.raises(BrokenPipeError):
        ask("cases", CASE, "a")
    monkeypatch.setattr(once, "keep_answer", requests.keep_answer)
    answer = ask("cases", CASE, "a")
    assert (answer.status_code, "done already" in answer.json()["detail"]) == (409, True)
    assert count(desk, "cases") == 1


def test_asked_at_the_same_time_it_is_done_once(ask, desk):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask("cases", CASE, "a").status_code, range(8)))
    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert count(desk, "cases") == 1
    assert [(ask("cases", CASE, "a").json()["case_id"],)] == desk("select case_id from cases")


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "é".encode()])
def test_a_key_is_a_word(ask, key):
    assert ask("cases", CASE, key).status_code == 422
