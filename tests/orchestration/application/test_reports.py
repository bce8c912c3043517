"""What reports are made of: all of it or an error, and what was signed stays as it was."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import psycopg
import pytest

from include.orchestration.application import reports
from include.surveillance.errors import ActRefusedError
from tests.orchestration.conftest import alert, crowd, store

SESSION = "2023-11-14"
TIMES = datetime(2023, 11, 14, 9, tzinfo=UTC), datetime(2023, 11, 15, 9, tzinfo=UTC)
CONTENT = '{"session": "2023-11-14", "sentence": "ä"}'
SHA256 = hashlib.sha256(CONTENT.encode()).hexdigest()


def test_too_many_alerts_are_refused_and_not_half_counted(desk, monkeypatch):
    store([*crowd(3), alert("BEFORE", session_date="2023-11-13"), alert("HISTORY", source="backfill")])
    monkeypatch.setattr(reports, "MOST_FACTS", 3)
    assert {one.symbol for one in reports.select_facts(SESSION, SESSION, *TIMES)} == {"S0", "S1", "S2"}
    monkeypatch.setattr(reports, "MOST_FACTS", 2)
    with pytest.raises(ActRefusedError, match="choose fewer sessions"):
        reports.select_facts(SESSION, SESSION, *TIMES)


def test_facts_say_what_the_record_says(desk):
    store([alert(rarity_sessions=40.0, explanation="rose"), alert("B", rule="market_event", explanation="The market")])
    event, one = sorted(reports.select_facts(SESSION, SESSION, *TIMES), key=lambda it: it.rule)
    assert (one.is_rare, one.parameters_version, one.event, one.state) == (True, "test", None, "open")
    assert (event.is_rare, event.event, event.decided_at, event.changed_at) == (False, "The market", None, None)


def test_the_session_before_is_the_newest_with_alerts(desk):
    versions = {"2023-11-09": "a", "2023-11-13": "b", SESSION: "c", "": "d"}
    store([alert(f"S{it}", session_date=it, parameters_version=version) for it, version in versions.items()])
    assert reports.list_versions_before(SESSION) == ["b"]
    assert reports.list_versions_before("2023-11-10") == ["a"]
    assert reports.list_versions_before("2023-11-09") == []


def test_the_same_report_is_signed_once(desk):
    reports.sign_report("lena", SESSION, SHA256, CONTENT)
    with pytest.raises(ActRefusedError, match=f"the report of {SESSION} is signed as it is"):
        reports.sign_report("omar", SESSION, SHA256, CONTENT)
    (signature,) = reports.list_signatures(SESSION)
    assert (signature["signed_by"], signature["sha256"], signature["content"]) == ("lena", SHA256, CONTENT)
    assert desk("select actor, event, object_kind, object_id from audit_log") == [("lena", "sign", "report", SESSION)]


def test_a_hash_of_something_else_is_not_signed(desk):
    with pytest.raises(psycopg.errors.CheckViolation):
        reports.sign_report("lena", SESSION, "0" * 64, CONTENT)


@pytest.mark.parametrize(
    "sql",
    ["update report_signatures set signed_by = 'vera'", "delete from report_signatures", "truncate report_signatures"],
)
def test_what_was_signed_is_neither_changed_nor_deleted(desk, sql):
    reports.sign_report("lena", SESSION, SHA256, CONTENT)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="what was signed is kept"):
        desk(sql)
