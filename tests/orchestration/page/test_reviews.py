"""Deciding over HTTP: from the queue to a closed alert, by two people where two are wanted; the second is told."""

from __future__ import annotations

import pytest

from tests.orchestration.conftest import alert, store

PATH = "/surveillance/api/v1"
KO, CRITICAL = alert("KO"), alert("ZVZZT", severity="critical")


@pytest.fixture
def act(client, sign_in, desk):
    """A function: a role, an act and its body; returns the answer."""
    store([KO, CRITICAL])

    def act(role, name, **body):
        return client.post(f"{PATH}/reviews/{name}", headers=sign_in(role) | {"X-Surveillance": "page"}, json=body)

    return act


def review(answer, of=KO):
    return answer.json()["reviews"][of.event_id]


def test_from_the_queue_to_closed(client, viewer, act):
    queue = client.get(f"{PATH}/alerts", params={"state": ["open", "in review"]}, headers=viewer).json()["alerts"]
    seen = {row["alert_id"]: row["version"] for row in queue if row["symbol"] == "KO"}
    taken = act("Analyst", "take", alerts=seen)
    assert (review(taken)["state"], review(taken)["owner"]) == ("in review", "analyst")
    closed = act("Analyst", "close", alerts={KO.event_id: 1}, reason="usual", text="each Monday")
    assert (review(closed)["state"], review(closed)["reason"]) == ("closed", "usual")
    answer = client.get(f"{PATH}/alerts/{KO.event_id}", headers=viewer).json()
    assert (answer["alert"]["state"], answer["alert"]["version"]) == ("closed", 2)
    assert [(it["actor"], it["event"], it["details"]) for it in answer["acts"]] == [
        ("analyst", "close", "each Monday"),
        ("analyst", "take", None),
    ]
    assert (
        client.get(f"{PATH}/alerts", params={"state": "open"}, headers=viewer).json()["alerts"][0]["symbol"] == "ZVZZT"
    )


def test_a_critical_alert_wants_a_lead_who_is_somebody_else(act):
    key = {CRITICAL.event_id: 0}
    assert review(act("Lead", "close", alerts=key, reason="escalated"), CRITICAL)["state"] == "to sign"
    answer = act("Lead", "sign", alerts={CRITICAL.event_id: 1})
    assert (answer.status_code, "somebody else has to sign" in answer.json()["detail"]) == (422, True)
    assert act("Analyst", "sign", alerts={CRITICAL.event_id: 1}).status_code == 403
    signed = act("Admin", "sign", alerts={CRITICAL.event_id: 1}, text="agreed")
    assert (review(signed, CRITICAL)["state"], review(signed, CRITICAL)["signed_by"]) == ("closed", "admin")


def test_sent_back_and_reopened_with_a_word_why(act):
    act("Analyst", "close", alerts={CRITICAL.event_id: 0}, reason="usual")
    assert act("Lead", "send-back", alerts={CRITICAL.event_id: 1}).status_code == 422
    back = act("Lead", "send-back", alerts={CRITICAL.event_id: 1}, text="look at the news")
    assert (review(back, CRITICAL)["state"], review(back, CRITICAL)["owner"]) == ("in review", "analyst")
    act("Analyst", "close", alerts={KO.event_id: 0}, reason="usual")
    assert review(act("Analyst", "reopen", alerts={KO.event_id: 1}, text="more came"))["state"] == "open"


def test_who_comes_second_is_told_what_changed(act):
    assert act("Analyst", "take", alerts={KO.event_id: 0}).status_code == 200
    late = act("Lead", "take", alerts={KO.event_id: 0, CRITICAL.event_id: 0})
    assert late.status_code == 409
    answer = late.json()
    assert "in review and analyst's" in answer["detail"]
    assert {key: value["owner"] for key, value in answer["current"].items()} == {KO.event_id: "analyst"}
    (change,) = answer["changes"]
    assert (change["actor"], change["event"], change["after"]["version"]) == ("analyst", "take", 1)
    assert act("Lead", "take", alerts={KO.event_id: 1}).status_code == 200


def test_many_are_closed_with_one_reason(act):
    store([alert(f"S{number}") for number in range(100)])
    keys = {alert(f"S{number}").event_id: 0 for number in range(100)}
    assert len(act("Analyst", "close", alerts=keys, reason="duplicate").json()["reviews"]) == 100
    assert act("Analyst", "close", alerts={f"id {n}": 0 for n in range(501)}, reason="usual").status_code == 422
    assert act("Analyst", "close", alerts={}, reason="usual").status_code == 422


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("close", {"reason": "because"}, 422),
        ("release", {}, 422),
        ("reopen", {"text": "x"}, 422),
        ("assign", {}, 422),
        ("take", {"more": 1}, 422),
        ("take", {"alerts": {"no such": 0}}, 404),
        ("take", {"alerts": {KO.event_id: -1}}, 422),
        ("take", {"alerts": {KO.event_id: 2**31}}, 422),
    ],
)
def test_what_makes_no_sense_changes_nothing(act, desk, name, body, status):
    assert act("Analyst", name, **({"alerts": {KO.event_id: 0}} | body)).status_code == status
    assert desk("select * from reviews where version > 0") == []
    assert desk("select * from audit_log") == []


def test_assigned_noted_and_released(act, client, viewer):
    assert review(act("Analyst", "assign", alerts={KO.event_id: 0}, owner="omar"))["owner"] == "omar"
    assert act("Analyst", "note", alerts=[KO.event_id], text="ask the exchange").status_code == 204
    assert review(act("Analyst", "release", alerts={KO.event_id: 1}))["state"] == "open"
    acts = client.get(f"{PATH}/alerts/{KO.event_id}", headers=viewer).json()["acts"]
    assert [it["event"] for it in acts] == ["release", "note", "assign"]


def test_the_queue_is_paged_and_counted(client, viewer, act):
    store([alert(f"S{number}") for number in range(7)])
    seen, after = [], None
    for _ in range(5):
        page = client.get(f"{PATH}/alerts", params={"limit": 2, **({"after": after} if after else {})}, headers=viewer)
        seen += [row["symbol"] for row in page.json()["alerts"]]
        after = page.json()["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 9
    assert client.get(f"{PATH}/alerts", params={"after": "nonsense"}, headers=viewer).status_code == 422
    assert client.get(f"{PATH}/counts", headers=viewer).json() == []
    reasons = client.get(f"{PATH}/policy", headers=viewer).json()["reasons"]
    assert "usual" in {reason["code"] for reason in reasons}


def test_an_unknown_alert_is_not_found(client, viewer, act):
    assert client.get(f"{PATH}/alerts/no/such", headers=viewer).status_code == 404
