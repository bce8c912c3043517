"""Reports by the interface: what is stored is said, in JSON, PDF and CSV alike, and a lead signs what he saw."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration.application.reviews import change_reviews
from include.orchestration.page.cells import write_value
from include.orchestration.page.documents import MOST_COLUMNS
from include.surveillance.desk import reviews as domain
from include.surveillance.desk.policy import Policy
from include.surveillance.settings import Settings
from tests.orchestration.conftest import alert, mark, store, transaction

pypdf = pytest.importorskip("pypdf")

PATH = "/surveillance/api/v1/reports"
OWN = {"X-Surveillance": "page"}
SESSION, BEFORE = "2023-11-14", "2023-11-13"
# Of that session: 04:00 to 20:00 in New York.
BEGIN, END = datetime(2023, 11, 14, 9, tzinfo=UTC), datetime(2023, 11, 15, 1, tzinfo=UTC)
POLICY = Policy.load(Settings().desk_policy_file)
HOSTILE = "<b>led</b> by =cmd()"
NUMBERS = [
    alert("KO", severity="critical", tag="news", rarity_sessions=40.0),
    alert("PEP", rule="abnormal_volume", tag="unexplained"),
    alert("FEED", rule="feed_freshness"),
    alert("MARKET", rule="market_event", value=37.0, explanation=HOSTILE),
    alert("OLD", session_date=BEFORE, parameters_version="before"),
    alert("HISTORY", source="backfill"),
]
KO, PEP = NUMBERS[0].event_id, NUMBERS[1].event_id


@pytest.fixture
def reported(desk):
    """Alerts of two sessions, a silence, and polls of two minutes of the session, of which one failed."""
    desk("truncate batches")
    store(NUMBERS)
    mark([NUMBERS[0]], "outbox", "fired")
    with transaction() as cursor:
        cursor.execute(
            "insert into silences (matcher, reason, author, begins_at, ends_at) values (%s, 'results', 'nina', %s, %s)",
            [json.dumps({"rule": "price_gap"}), BEGIN - timedelta(hours=1), END + timedelta(days=1)],
        )
        for number, failed in ((1, 0), (2, 3)):
            cursor.execute(
                "insert into batches (dag_id, run_id, stage, interval_end, started_at, ended_at, tasks, failed, bars) "
                "values ('ingest', %s, 'poll', %s, %s, %s, 4, %s, 100)",
                [str(number), *[BEGIN + timedelta(minutes=number)] * 3, failed],
            )
    return desk


def close(alert_id, version=0, reason="usual"):
    change_reviews(
        "nina", "close", {alert_id: version}, lambda it, severity: domain.close(it, "nina", reason, severity, POLICY)
    )


def read(client, headers, path=f"/daily/{SESSION}"):
    answer = client.get(f"{PATH}{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_report_says_what_was_stored(client, viewer, reported):
    close(PEP, reason="explained")
    close(KO)
    report = read(client, viewer)["report"]
    totals = report["totals"]
    assert (totals["alerts"], totals["market"], totals["operations"], totals["symbols"]) == (4, 3, 1, 4)
    assert (totals["told"], totals["closed"]) == (1, 1)
    assert {row["state"]: row["alerts"] for row in report["states"]}["to sign"] == 1
    assert report["endings"] == [{"reason": "explained", "disposition": "true positive", "alerts": 1}]
    volume = next(row for row in report["rules"] if row["of"] == "abnormal_volume")
    assert (volume["closed"], volume["true_positive"], volume["false_positive"]) == (1, 1, 0)
    assert [(row["symbols"], row["sentence"]) for row in report["market_events"]] == [(37.0, HOSTILE)]
    assert [(row["silence_id"], row["rule"], row["author"]) for row in report["silences"]] == [(1, "price_gap", "nina")]
    assert report["silences"][0]["from_at"] == "2023-11-14T09:00:00Z"
    assert [(row["version"], row["is_new"]) for row in report["parameters"]] == [("test", True)]
    coverage = report["coverage"]
    assert (coverage["minutes"], coverage["polled"], coverage["runs"], coverage["failed_runs"]) == (960, 1, 2, 1)
    assert coverage["gaps"] == [{"first": "2023-11-14T09:02:00Z", "last": "2023-11-15T01:00:00Z", "minutes": 959}]
    assert report["acts"] == [], "people did it today"


def test_what_is_of_no_session_is_counted_in_the_one_in_whose_time_it_was(client, viewer, reported):
    at = {"rule": "log_break", "session_date": "", "severity": "critical"}
    night = int(END.timestamp() * 1_000) + 3_600_000
    store([alert("BARS", ts_ms=night, **at), alert("NEWS", ts_ms=night + 9 * 3_600_000, **at)])
    assert [row["of"] for row in read(client, viewer)["report"]["rules"]].count("log_break") == 1
    volumes = read(client, viewer, f"/indicators?first={SESSION}&last={SESSION}")["volumes"]
    assert [(it["session"], it["operations"]) for it in volumes] == [(SESSION, 2)]


def test_acts_of_the_sessions_time_are_counted_but_for_those_on_reports(client, viewer, reported):
    until = datetime(2023, 11, 15, 9, tzinfo=UTC)
    done = [("alert", "close", "nina", END), ("alert", "close", "omar", BEGIN), ("alert", "close", "omar", until)]
    done += [("report", "sign", "lead", END), ("request", "refused", "vera", BEGIN)]
    for kind, event, actor, at in done:
        reported(
            "insert into audit_log (object_kind, object_id, event, actor, occurred_at) values (%s, '1', %s, %s, %s)",
            *(kind, event, actor, at),
        )
    assert read(client, viewer)["report"]["acts"] == [
        {"object_kind": "alert", "event": "close", "acts": 2, "people": 2},
        {"object_kind": "request", "event": "refused", "acts": 1, "people": 1},
    ]


def test_acts_in_airflow_are_told_as_far_as_they_were_copied(client, viewer, reported):
    assert read(client, viewer)["airflow"] == {"copied_at": None, "acts": []}
    signed = read(client, viewer)["sha256"]
    reported(
        "insert into audit_log (log_id, event, actor, dag_id, occurred_at) values (1, 'patch_dag', 'omar', 'x', %s)",
        END,
    )
    answer = read(client, viewer)
    assert answer["airflow"]["acts"] == [{"event": "patch_dag", "dag_id": "x", "acts": 1}]
    assert answer["airflow"]["copied_at"] is not None
    assert answer["sha256"] == signed, "they come a day later, and nobody signs them"


def test_every_number_of_the_document_and_of_the_table_is_the_answers(client, viewer, reported):
    close(PEP)
    answer = read(client, viewer)
    pages = pypdf.PdfReader(io.BytesIO(client.get(f"{PATH}/daily/{SESSION}.pdf", headers=viewer).content)).pages
    text = "".join("".join(page.extract_text() for page in pages).split())
    rows = list(csv.DictReader(io.StringIO(client.get(f"{PATH}/daily/{SESSION}.csv", headers=viewer).text)))
    told = {(row["table"], row["row"], row["name"]): row["value"] for row in rows}
    assert answer["sha256"] in text
    for name, part in (answer["report"] | {"ages": answer["ages"]}).items():
        if isinstance(part, list):
            for number, row in enumerate(part, 1):
                numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
                written = {key: "".join(write_value(value).split()) for key, value in _plain(row)}
                # Its columns are in the order of the table's.
                cells = {key: written[key] for table, at, key in told if (table, at) == (name, str(number))}
                assert cells.keys() == row.keys()
                # In the document a row is its cells one after the other, or a list of names and cells.
                if len(part) == 1 or len(row) > MOST_COLUMNS:
                    assert all(f"{key.replace('_', '')}{cell}" in text for key, cell in cells.items() if cell), row
                else:
                    assert "".join(cells.values()) in text, row
                for key, value in numbers.items():
                    assert told[name, str(number), key] == write_value(value)
    for name in ("totals", "coverage"):
        for key, value in answer["report"][name].items():
            if isinstance(value, int):
                assert f"{''.join(key.replace('_', ' ').split())}{value}" in text, key
                assert told[name, "1", key] == str(value)
    assert told["market_events", "1", "sentence"] == HOSTILE
    assert "<b>led</b>" in text


def _plain(row):
    """A row's values as they are stored: times come as text in JSON."""
    for name, value in row.items():
        yield name, datetime.fromisoformat(value) if name.endswith("at") and isinstance(value, str) else value


def test_made_twice_it_is_the_same(client, viewer, reported):
    one, other = read(client, viewer), read(client, viewer)
    assert (one["sha256"], one["report"]) == (other["sha256"], other["report"])


def test_a_lead_signs_what_he_saw_and_later_changes_are_told(client, sign_in, viewer, reported):
    lead, seen = sign_in("Lead") | OWN, read(client, viewer)
    sign = f"{PATH}/daily/{SESSION}/sign"
    assert client.post(sign, headers=sign_in("Analyst") | OWN, json={"sha256": seen["sha256"]}).status_code == 403
    assert client.post(sign, headers=lead, json={"sha256": "0" * 64}).status_code == 409
    assert client.post(sign, headers=lead, json={"sha256": seen["sha256"]}).status_code == 200
    again = client.post(sign, headers=lead, json={"sha256": seen["sha256"]})
    assert (again.status_code, again.json()["detail"]) == (422, f"the report of {SESSION} is signed as it is")
    (signature,) = read(client, viewer)["signatures"]
    assert (signature["signed_by"], signature["is_current"], signature["differences"]) == ("lead", True, [])
    close(PEP)
    now = read(client, viewer)
    (signature,) = now["signatures"]
    assert (signature["is_current"], signature["sha256"]) == (False, seen["sha256"])
    assert signature["differences"] == ["endings", "rules", "severities", "states", "tags", "totals"]
    assert client.post(sign, headers=lead, json={"sha256": seen["sha256"]}).status_code == 409
    assert client.post(sign, headers=lead, json={"sha256": now["sha256"]}).status_code == 200
    assert [it["is_current"] for it in read(client, viewer)["signatures"]] == [True, False]
    kept = client.get(f"{PATH}/daily/{SESSION}/signed/{seen['sha256']}", headers=viewer)
    assert hashlib.sha256(kept.content).hexdigest() == seen["sha256"]
    acts = reported("select actor, event, object_id, after ->> 'sha256' from audit_log where object_kind = 'report'")
    assert acts == [("lead", "sign", SESSION, seen["sha256"]), ("lead", "sign", SESSION, now["sha256"])]
    assert client.get(f"{PATH}/daily/{SESSION}/signed/{'0' * 64}", headers=viewer).status_code == 404
    listed = client.get("/surveillance/api/v1/acts", params={"object_kind": "report"}, headers=viewer).json()["acts"]
    assert len(listed) == 2


@pytest.mark.parametrize("path", ["/daily/2023-11-12", "/daily/2023-11-12.pdf", "/daily/2023-13-45.csv"])
def test_a_day_without_a_session_has_no_report(client, viewer, reported, path):
    assert client.get(f"{PATH}{path}", headers=viewer).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "first=2023-13-01",
        "first=2023-11-14&last=2023-11-01",
        "first=2020-01-01&last=2023-01-01",
        "kind=x",
        "last=9999-12-31",
    ],
)
def test_an_impossible_range_is_refused(client, viewer, reported, query):
    assert client.get(f"{PATH}/indicators?{query}", headers=viewer).status_code == 422


def test_indicators_are_of_the_range(client, viewer, reported):
    close(PEP, reason="explained")
    reported("insert into cases (title, narrative, alerts, status, opened_by, version) "
             "values ('c', '', %s, 'draft', 'nina', 0)", [KO])  # fmt: skip
    path = f"/indicators?first={BEFORE}&last={SESSION}"
    answer = read(client, viewer, path)
    whole = answer["rules"][0]
    assert (whole["rule"], whole["alerts"]) == ("all rules", 4)
    assert (whole["precision"]["part"], whole["precision"]["n"]) == (1, 1)
    assert (whole["escalated"]["part"], whole["escalated"]["n"]) == (1, 4)
    assert whole["decision"]["n"] == 1
    assert whole["decision"]["median_seconds"] >= 0
    assert [(it["session"], it["market"], it["operations"]) for it in answer["volumes"]] == [
        (BEFORE, 1, 0),
        (SESSION, 3, 1),
    ]
    assert sum(it["alerts"] for it in answer["ages"]) == 3
    assert read(client, viewer, f"/indicators?first={SESSION}&last={SESSION}")["rules"][0]["alerts"] == 3
    table = client.get(f"{PATH}{path.replace('indicators', 'indicators.csv')}", headers=viewer).text
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["rule"] for row in rows] == [it["rule"] for it in answer["rules"]]
    assert float(rows[0]["precision_lower"]) == whole["precision"]["lower"]


def test_proposals_come_from_decisions(client, viewer, reported):
    noisy = [alert("NOISE", score=40.0 + number, rarity_sessions=30.0, episode_start_ms=number) for number in range(20)]
    store(noisy)
    for one in noisy:
        close(one.event_id)
    answer = read(client, viewer, f"/proposals?first={SESSION}&last={SESSION}")
    assert {(it["bucket"], it["precision"]["n"], it["saved"]) for it in answer["proposals"]} == {
        ("NOISE", 20, 18),
        ("all symbols", 20, 18),
    }
    assert "0 of 20 true; a budget of" in answer["proposals"][0]["sentence"]
    assert answer["try_at"].endswith("/dags/compare_parameters")


def test_sessions_are_listed_with_who_has_signed(client, viewer, reported):
    sessions = read(client, viewer, "/daily")["sessions"]
    assert len(sessions) == 40
    assert [it["session"] for it in sessions] == sorted((it["session"] for it in sessions), reverse=True)
    assert all((it["alerts"], it["signed_by"]) == (0, None) for it in sessions)
