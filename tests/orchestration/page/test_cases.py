"""Cases over HTTP: opened, filled, attached to, and handed over by two people."""

from __future__ import annotations

import base64

import pytest

from tests.orchestration.conftest import alert, store

PATH = "/surveillance/api/v1/cases"
KO = alert("KO").event_id
PDF = b"%PDF-1.7\n\x00\xff"


@pytest.fixture
def act(client, sign_in, desk):
    store([alert("KO"), alert("AMZN")])

    def act(role, path="", **body):
        return client.post(PATH + path, headers=sign_in(role) | {"X-Surveillance": "page"}, json=body)

    return act


def test_three_steps_and_two_people(client, viewer, act):
    number = act("Analyst", title="KO before its results", narrative="It rose.").json()["case_id"]
    one = f"/{number}"
    assert act("Analyst", f"{one}/submit", version=0).status_code == 422, "a case has alerts"
    added = act("Analyst", f"{one}/add", version=0, alerts=[KO]).json()["case"]
    content = base64.b64encode(PDF).decode()
    attached = act("Analyst", f"{one}/attach", version=added["version"], name="filing.pdf", content=content)
    assert attached.status_code == 201
    submitted = act("Analyst", f"{one}/submit", version=2).json()["case"]
    assert (submitted["status"], submitted["submitted_by"]) == ("to sign", "analyst")
    assert act("Analyst", f"{one}/sign", version=3).status_code == 403
    assert act("Lead", f"{one}/sign", version=3).json()["case"]["status"] == "handed over"
    assert act("Analyst", f"{one}/describe", version=4, title="Other", narrative="").status_code == 422
    shown = client.get(PATH + one, headers=viewer).json()
    assert (shown["case"]["status"], shown["case"]["alerts"]) == ("handed over", [KO])
    assert [it["event"] for it in shown["acts"]] == ["sign", "submit", "attach", "add", "open"]
    file = client.get(f"{PATH}/{number}/attachments/{shown['attachments'][0]['attachment_id']}", headers=viewer)
    assert (file.content, file.headers["Content-Type"]) == (PDF, "application/pdf")
    assert file.headers["Content-Disposition"] == "attachment; filename*=UTF-8''filing.pdf"
    assert file.headers["X-Content-Type-Options"] == "nosniff"
    (listed,) = client.get(PATH, params={"alert": KO}, headers=viewer).json()["cases"]
    assert listed["case_id"] == number


def test_sent_back_with_a_word_why(act):
    number = act("Analyst", title="KO", narrative="Why", alerts=[KO]).json()["case_id"]
    act("Analyst", f"/{number}/submit", version=0)
    assert act("Lead", f"/{number}/send-back", version=1).status_code == 422
    assert act("Lead", f"/{number}/send-back", version=1, text="too short").json()["case"]["status"] == "draft"
    assert act("Analyst", f"/{number}/remove", version=2, alerts=[KO]).json()["case"]["alerts"] == []


def test_who_comes_second_is_told_what_changed(act):
    number = act("Analyst", title="KO", alerts=[KO]).json()["case_id"]
    act("Lead", f"/{number}/describe", version=0, title="Another", narrative="Text")
    late = act("Analyst", f"/{number}/describe", version=0, title="Mine", narrative="Text")
    assert (late.status_code, late.json()["current"][str(number)]["title"]) == (409, "Another")
    assert late.json()["changes"][0]["actor"] == "lead"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.html", b"<script>alert(1)</script>"), ("a.pdf", b"<script>"), ("../../etc/passwd", b"x"), ("a.txt", b"\0")],
)
def test_what_is_no_evidence_is_not_taken(act, desk, name, content):
    number = act("Analyst", title="KO", alerts=[KO]).json()["case_id"]
    sent = {"version": 0, "name": name, "content": base64.b64encode(content).decode()}
    assert act("Analyst", f"/{number}/attach", **sent).status_code == 422
    assert act("Analyst", f"/{number}/attach", **(sent | {"content": "no base64!"})).status_code == 422
    assert desk("select * from attachments") == []


def test_what_does_not_exist_is_not_found(client, viewer, act):
    assert client.get(f"{PATH}/999", headers=viewer).status_code == 404
    assert client.get(f"{PATH}/999/attachments/1", headers=viewer).status_code == 404
    assert act("Analyst", "/999/submit", version=0).status_code == 404
    assert act("Analyst", title="KO", alerts=["no such"]).status_code == 404
