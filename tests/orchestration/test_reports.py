"""Which time a report is of, and that a lead signs what he has seen of a session that is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration import reports
from include.surveillance.desk.daily_report import hash_report
from include.surveillance.errors import ActRefusedError, ConflictError, UnknownObjectError
from tests.orchestration.conftest import alert, store

# A full day and a half-day, and when people's acts belong to the next session.
SESSION, END = "2023-11-14", datetime(2023, 11, 15, 1, tzinfo=UTC)
HALF_DAY, MONDAY = "2023-11-24", datetime(2023, 11, 27, 9, tzinfo=UTC)


def read_hash():
    report, _ = reports.read_daily_report(SESSION, END)
    return hash_report(report)[0]


@pytest.mark.parametrize(
    ("hours", "session", "minutes"),
    [("all", SESSION, 960), ("regular", SESSION, 390), ("all", HALF_DAY, 780), ("regular", HALF_DAY, 210)],
)
def test_minutes_are_those_that_are_polled(desk, monkeypatch, hours, session, minutes):
    monkeypatch.setenv("POLL_HOURS", hours)
    report, _ = reports.read_daily_report(session, MONDAY)
    assert report.coverage.minutes == minutes


def test_the_newest_session_is_listed_from_its_first_bar_on(desk):
    first = datetime(2023, 11, 14, 9, tzinfo=UTC)
    for at, newest in ((first - timedelta(seconds=1), "2023-11-13"), (first, SESSION), (END, SESSION)):
        listed = [it["session"] for it in reports.list_sessions(at)]
        assert (listed[0], len(listed)) == (newest, reports.LISTED_SESSIONS)
        assert reports.name_session(at) == newest


def test_what_people_do_over_the_weekend_belongs_to_friday(desk):
    for at in (MONDAY - timedelta(seconds=1), MONDAY):
        desk("insert into audit_log (object_kind, event, occurred_at) values ('alert', 'take', %s)", at)
    report, _ = reports.read_daily_report(HALF_DAY, MONDAY)
    assert [act.acts for act in report.acts] == [1]


def test_a_session_that_is_not_over_is_not_signed(desk):
    seen = read_hash()
    with pytest.raises(ActRefusedError, match="is not over"):
        reports.sign_daily_report("lena", SESSION, seen, END - timedelta(seconds=1))
    assert reports.sign_daily_report("lena", SESSION, seen, END) is not None


def test_what_has_changed_since_is_not_signed(desk):
    seen = read_hash()
    store([alert()])
    with pytest.raises(ConflictError, match="has changed: read it again") as raised:
        reports.sign_daily_report("lena", SESSION, seen, END)
    assert raised.value.current == {SESSION: read_hash()}
    reports.sign_daily_report("lena", SESSION, read_hash(), END)


def test_a_holiday_has_no_report(desk):
    with pytest.raises(UnknownObjectError, match="no session on 2023-11-23"):
        reports.read_daily_report("2023-11-23", END)


def test_a_range_without_sessions_has_no_alerts(desk):
    store([alert()])
    assert reports.read_indicators("2023-11-11", "2023-11-12", "market", END).rules[0].alerts == 0
    assert reports.read_indicators("2023-11-11", SESSION, "market", END).rules[0].alerts == 1
