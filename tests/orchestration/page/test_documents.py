"""What a PDF says is what the rows say, number by number; and no text in it is more than text."""

from __future__ import annotations

import csv
import io

import pytest

from include.orchestration.application.reviews import list_alerts
from include.orchestration.page.cells import write_value
from tests.orchestration.conftest import alert, store

pypdf = pytest.importorskip("pypdf")

PATH = "/surveillance/api/v1"
OWN = {"X-Surveillance": "page"}
HOSTILE = "<b>bold</b> <a href='https://evil.example'>x</a> &amp; <img src=x> =1+1 \u202e"
LONG = "W" * 400
ALERTS = [
    alert("KO", value=0.1 + 0.2, threshold=1 / 3, baseline=1e-17, score=66.66666666666667, explanation=HOSTILE),
    alert("PEP", value=365755.0, severity="critical", explanation=LONG),
]


@pytest.fixture
def case(client, sign_in, desk):
    """The number of a case of two alerts."""
    store(ALERTS)
    body = {"title": HOSTILE, "narrative": f"First.\n{HOSTILE}", "alerts": [one.event_id for one in ALERTS]}
    headers = sign_in("Analyst") | OWN
    number = client.post(f"{PATH}/cases", headers=headers, json=body).json()["case_id"]
    upload = {"version": 0, "name": "note.txt", "content": "YWJj"}
    client.post(f"{PATH}/cases/{number}/attach", headers=headers, json=upload)
    return number


def words(answer):
    """The document's text without blanks: where a line breaks is no matter."""
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    pages = pypdf.PdfReader(io.BytesIO(answer.content)).pages
    assert not any("/Annots" in page for page in pages)
    return "".join("".join(page.extract_text() for page in pages).split())


def said(row, text):
    missing = [name for name, value in row.items() if "".join(write_value(value).split()) not in text]
    return missing == []


def test_a_case_says_every_number_of_its_rows(client, viewer, case):
    answer = client.get(f"{PATH}/cases/{case}.pdf", headers=viewer)
    text = words(answer)
    rows = list_alerts([one.event_id for one in ALERTS])
    assert len(rows) == 2
    for row in rows:
        plain = {name: value for name, value in row.items() if name != "explanation"}
        assert said(plain, text)
    for name in ("value", "threshold", "score", "baseline"):
        assert f"{name}{rows[0][name]!r}" in text
    whole = client.get(f"{PATH}/cases/{case}", headers=viewer).json()
    assert whole["attachments"][0]["sha256"] in text
    assert "<b>bold</b>" in text
    assert LONG in text


def test_a_case_is_a_table_too(client, viewer, case):
    rows = list(csv.DictReader(io.StringIO(client.get(f"{PATH}/cases/{case}.csv", headers=viewer).text)))
    assert [float(row["value"]) for row in rows] == [one.value for one in ALERTS]
    assert [row["alert_id"] for row in rows] == [one.event_id for one in ALERTS]


def test_an_alert_is_a_document_and_a_table(client, viewer, case):
    (row,) = list_alerts([ALERTS[0].event_id])
    address = f"{PATH}/alerts/{ALERTS[0].event_id}"
    text = words(client.get(f"{address}/pdf", headers=viewer))
    assert said({name: value for name, value in row.items() if name != "explanation"}, text)
    assert "nothingiskeptyet" in text
    (table,) = csv.DictReader(io.StringIO(client.get(f"{address}/csv", headers=viewer).text))
    assert float(table["threshold"]) == row["threshold"]


def test_a_note_longer_than_a_page_is_there_to_its_end(client, sign_in, case):
    alert_id, text = ALERTS[0].event_id, "W" * 3_990 + "to its end"
    note = {"alerts": [alert_id], "text": text}
    assert client.post(f"{PATH}/reviews/note", headers=sign_in("Analyst") | OWN, json=note).status_code == 204
    assert "".join(text.split()) in words(client.get(f"{PATH}/alerts/{alert_id}/pdf", headers=sign_in("Viewer")))


def test_what_is_not_there_is_no_document(client, viewer, desk):
    for path in ("cases/7.pdf", "cases/7.csv", "alerts/none/pdf", "alerts/none/csv"):
        assert client.get(f"{PATH}/{path}", headers=viewer).status_code == 404
    assert client.get(f"{PATH}/cases/x.pdf", headers=viewer).status_code == 422
