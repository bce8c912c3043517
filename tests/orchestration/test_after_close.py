"""What must not disturb a session runs after its close, once, and never makes up for more than one."""

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction

from include.orchestration.timetables import AfterCloseTimetable, in_session

HOURS = 3_600


def runs(timetable, start, count):
    """The first runs after ``start``, as a scheduler that is never late gets them."""
    last, restriction, found = None, TimeRestriction(pendulum.parse(start), None, catchup=True), []
    while len(found) < count:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        found.append(info.run_after.to_iso8601_string())
        last = info.data_interval
    return found


def test_five_hours_after_each_close_and_not_on_other_days():
    timetable = AfterCloseTimetable("XNYS", delay_seconds=5 * HOURS)
    # Thanksgiving, a half day, a weekend; the clocks change in March.
    assert runs(timetable, "2026-11-25", 3) == ["2026-11-26T02:00:00Z", "2026-11-27T23:00:00Z", "2026-12-01T02:00:00Z"]
    assert runs(timetable, "2026-03-06", 2) == ["2026-03-07T02:00:00Z", "2026-03-10T01:00:00Z"]


def test_a_market_that_never_closes_has_one_run_a_day():
    timetable = AfterCloseTimetable("24/7", delay_seconds=5 * HOURS)
    assert runs(timetable, "2026-11-28", 2) == ["2026-11-29T05:00:00Z", "2026-11-30T05:00:00Z"]


@pytest.mark.parametrize(
    ("now", "next_run"),
    [
        ("2026-11-26T01:59:59Z", "2026-11-25T02:00:00Z"),  # late by a day, not yet by two
        ("2026-11-26T02:00:00Z", "2026-11-26T02:00:00Z"),
        ("2026-11-29T12:00:00Z", "2026-11-27T23:00:00Z"),
    ],
)
def test_a_late_scheduler_makes_up_for_the_latest_session_only(monkeypatch, now, next_run):
    monkeypatch.setattr(pendulum, "now", lambda *_: pendulum.parse(now))
    timetable = AfterCloseTimetable("XNYS", delay_seconds=5 * HOURS)
    restriction = TimeRestriction(pendulum.datetime(2024, 1, 1), None, catchup=False)
    info = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    assert info.run_after.to_iso8601_string() == next_run


@pytest.mark.parametrize(
    ("calendar", "moment", "open_"),
    [
        ("XNYS", "2026-11-25T08:59:59Z", False),
        ("XNYS", "2026-11-25T09:00:00Z", True),  # pre-market
        ("XNYS", "2026-11-26T00:59:59Z", True),  # post-market
        ("XNYS", "2026-11-26T02:00:00Z", False),
        ("XTKS", "2026-11-25T05:30:00Z", True),
        ("24/7", "2026-11-25T15:00:00Z", False),
    ],
)
def test_in_session(calendar, moment, open_):
    assert in_session(calendar, 0, round(pendulum.parse(moment).timestamp() * 1_000)) is open_


def test_serialises_to_the_same_schedule():
    timetable = AfterCloseTimetable("XNYS", 86_400_000, 60)
    assert AfterCloseTimetable.deserialize(timetable.serialize()).serialize() == timetable.serialize()
    assert timetable.infer_manual_data_interval(run_after=pendulum.datetime(2026, 11, 26)).end > pendulum.datetime(
        2026, 11, 25
    )
