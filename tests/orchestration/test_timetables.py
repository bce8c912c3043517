"""Every minute of every session once, and nothing outside; what must not disturb a session once after its close."""

import pendulum
import pytest
from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DataInterval, TimeRestriction
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration.timetables import (
    AfterCloseTimetable,
    FollowerTimetable,
    MarketSessionTimetable,
    is_in_session,
)
from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import to_ms

HOURS = 3_600
CATCH_UP = TimeRestriction(earliest=pendulum.datetime(2001, 1, 1), latest=None, catchup=True)


def intervals(timetable, start, end):
    """All data intervals that start in [start, end), as a scheduler that is never late gets them."""
    last, restriction, infos = None, CATCH_UP._replace(earliest=start), []
    while info := timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction):
        if info.data_interval.start >= end:
            return infos
        infos.append(info)
        last = info.data_interval
    return infos


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2026-11-23", "14:30", "21:00"),  # winter
        ("2026-07-01", "13:30", "20:00"),  # summer time
        ("2026-11-27", "14:30", "18:00"),  # half day after Thanksgiving
        ("2026-03-06", "14:30", "21:00"),  # last session before the clocks change
        ("2026-03-09", "13:30", "20:00"),  # first one after
    ],
)
def test_every_minute_of_a_session_once(day, opens, closes):
    start = pendulum.parse(day)
    infos = intervals(MarketSessionTimetable("XNYS"), start, start.add(days=1))
    first, last = pendulum.parse(f"{day}T{opens}"), pendulum.parse(f"{day}T{closes}")
    expected = [first.add(minutes=n) for n in range(int((last - first).total_minutes()))]
    assert [info.data_interval.start for info in infos] == expected
    assert all(info.data_interval.end == info.data_interval.start.add(minutes=1) for info in infos)


@pytest.mark.parametrize("step_seconds", [60, 900])
@pytest.mark.parametrize(("day", "closes"), [("2026-11-25", "21:00"), ("2026-11-27", "18:00"), ("2026-07-01", "20:00")])
def test_what_follows_the_market_ends_an_hour_after_it(day, closes, step_seconds):
    start, closed = pendulum.parse(day), pendulum.parse(f"{day}T{closes}")
    timetable = MarketSessionTimetable("XNYS", step_seconds=step_seconds, after_seconds=HOURS)
    infos = intervals(timetable, start, start.add(days=1))
    market = intervals(MarketSessionTimetable("XNYS", step_seconds=step_seconds), start, start.add(days=1))
    assert infos[: len(market)] == market
    assert infos[-1].data_interval.end == closed.add(hours=1)
    assert len(infos) - len(market) == HOURS / step_seconds


def test_a_week_of_the_warehouse_is_the_markets_hours_and_one_more_a_day():
    """No run from Friday's close and an hour to Monday's open, nor in a night."""
    monday = pendulum.datetime(2026, 11, 16)
    timetable = MarketSessionTimetable("XNYS", delay_seconds=30, after_seconds=HOURS)
    runs = [info.run_after.in_timezone("America/New_York") for info in intervals(timetable, monday, monday.add(days=7))]
    assert len(runs) == 5 * 60 * 7.5
    assert {run.day_of_week for run in runs} == set(range(5))
    assert {run.hour for run in runs} == set(range(9, 18))
    assert max(run.time() for run in runs) == pendulum.time(17, 0, 30)


def test_a_market_that_never_closes_has_no_interval_twice():
    start = pendulum.datetime(2026, 11, 21, 23, 0)
    plain, longer = MarketSessionTimetable("24/7"), MarketSessionTimetable("24/7", after_seconds=HOURS)
    assert intervals(longer, start, start.add(hours=2)) == intervals(plain, start, start.add(hours=2))


@pytest.mark.parametrize(("day", "hours"), [("2026-11-23", 7.5), ("2026-11-27", 4.5)])
def test_a_step_longer_than_the_session_is_one_run_at_its_end(day, hours):
    start = pendulum.parse(day)
    timetable = MarketSessionTimetable("XNYS", step_seconds=24 * HOURS, after_seconds=HOURS)
    (info,) = intervals(timetable, start, start.add(days=1))
    assert info.data_interval == DataInterval(start.at(14, 30), start.at(14, 30).add(hours=hours))


def test_a_late_scheduler_goes_on_after_the_close(monkeypatch):
    monkeypatch.setattr(pendulum, "now", lambda *_: pendulum.datetime(2026, 11, 23, 21, 40, 30))
    last = DataInterval(pendulum.datetime(2026, 11, 23, 15), pendulum.datetime(2026, 11, 23, 15, 15))
    timetable = MarketSessionTimetable("XNYS", step_seconds=900, after_seconds=HOURS)
    info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=CATCH_UP._replace(catchup=False))
    assert info.data_interval.end == pendulum.datetime(2026, 11, 23, 21, 30)


@pytest.mark.parametrize("day", ["2026-11-26", "2026-11-28", "2026-12-25"])
def test_nothing_on_a_closed_day(day):
    start = pendulum.parse(day)
    assert intervals(MarketSessionTimetable("XNYS"), start, start.add(days=1)) == []


def test_always_open_has_every_minute_over_midnight():
    start = pendulum.datetime(2026, 11, 21, 23, 0)
    infos = intervals(MarketSessionTimetable("24/7"), start, start.add(hours=2))
    assert [info.data_interval.start for info in infos] == [start.add(minutes=n) for n in range(120)]


def test_run_starts_after_the_delay():
    start = pendulum.datetime(2026, 11, 21)
    info = intervals(MarketSessionTimetable("24/7", delay_seconds=2), start, start.add(minutes=1))[0]
    assert info.run_after == info.data_interval.end.add(seconds=2)


@given(
    st.integers(1_577_836_800, 1_796_000_000),  # seconds of 2020 to 2026
    st.sampled_from([60, 300, 900]),
    st.integers(-(10**10), 10**10),
    st.sampled_from([0, 3_600]),
)
def test_next_interval_follows_without_gap_or_overlap_inside_a_session(moment, step_seconds, shift_ms, after_seconds):
    timetable = MarketSessionTimetable("XNYS", shift_ms, step_seconds, after_seconds=after_seconds)
    sessions = Sessions("XNYS", shift_ms)
    end = pendulum.from_timestamp(moment)
    last = DataInterval(end.subtract(seconds=step_seconds), end)
    info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=CATCH_UP)
    start_ms, end_ms = (round(point.timestamp() * 1_000) for point in info.data_interval)
    session = sessions.at_or_before(start_ms)
    assert info.data_interval.start >= last.end
    assert session.open_ms <= start_ms
    after_ms = 1_000 * after_seconds
    assert end_ms <= session.close_ms + after_ms
    assert (start_ms - session.open_ms) % (step_seconds * 1_000) == 0
    # No whole interval of this or an earlier session lies between the last one and this one.
    last_ms = round(last.end.timestamp() * 1_000)
    earlier = sessions.at_or_before(start_ms - 1) if start_ms == session.open_ms else session
    skipped_from = max(last_ms, earlier.open_ms)
    assert min(start_ms, earlier.close_ms + after_ms) - skipped_from < step_seconds * 1_000


def test_late_scheduler_goes_on_at_the_newest_complete_minute(monkeypatch):
    now = pendulum.datetime(2026, 11, 23, 16, 0, 30)
    monkeypatch.setattr(pendulum, "now", lambda *_: now)
    last = DataInterval(pendulum.datetime(2026, 11, 20, 20, 59), pendulum.datetime(2026, 11, 20, 21))
    restriction = CATCH_UP._replace(catchup=False)
    info = MarketSessionTimetable("XNYS").next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    assert info.data_interval.start == pendulum.datetime(2026, 11, 23, 15, 59)


def test_scheduler_late_by_less_than_a_minute_skips_nothing(monkeypatch):
    monkeypatch.setattr(pendulum, "now", lambda *_: pendulum.datetime(2026, 11, 23, 16, 1, 59))
    last = DataInterval(pendulum.datetime(2026, 11, 23, 15, 59), pendulum.datetime(2026, 11, 23, 16))
    restriction = CATCH_UP._replace(catchup=False)
    info = MarketSessionTimetable("XNYS").next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    assert info.data_interval.start == pendulum.datetime(2026, 11, 23, 16)


def test_end_date_is_respected():
    restriction = TimeRestriction(pendulum.datetime(2026, 11, 23), pendulum.datetime(2026, 11, 23, 14), catchup=True)
    timetable = MarketSessionTimetable("XNYS")
    assert timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction) is None


def test_manual_run_takes_the_newest_complete_minute():
    interval = MarketSessionTimetable("XNYS").infer_manual_data_interval(
        run_after=pendulum.datetime(2026, 11, 22, 10, 5, 40)
    )
    assert interval == DataInterval(pendulum.datetime(2026, 11, 22, 10, 4), pendulum.datetime(2026, 11, 22, 10, 5))


def test_serialises_to_the_same_schedule():
    timetable = MarketSessionTimetable("XNYS", 86_400_000, 300, 2)
    again = MarketSessionTimetable.deserialize(timetable.serialize())
    assert again.serialize() == timetable.serialize()
    assert intervals(again, pendulum.datetime(2026, 11, 24), pendulum.datetime(2026, 11, 25)) == intervals(
        timetable, pendulum.datetime(2026, 11, 24), pendulum.datetime(2026, 11, 25)
    )


def test_impossible_step_is_refused():
    with pytest.raises(AirflowTimetableInvalid, match="step_seconds=0"):
        MarketSessionTimetable(step_seconds=0).validate()


# --- what must not disturb a session runs after its close, once, and never makes up for more than one


def runs(timetable, start, count):
    """The first runs after ``start``, as a scheduler that is never late gets them."""
    last, restriction, infos = None, TimeRestriction(pendulum.parse(start), None, catchup=True), []
    while len(infos) < count:
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        infos.append(info.run_after.to_iso8601_string())
        last = info.data_interval
    return infos


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
def test_a_session_has_its_pre_and_post_market(calendar, moment, open_):
    assert is_in_session(calendar, 0, to_ms(pendulum.parse(moment))) is open_


def test_after_close_serialises_to_the_same_schedule():
    timetable = AfterCloseTimetable("XNYS", 86_400_000, 60)
    assert AfterCloseTimetable.deserialize(timetable.serialize()).serialize() == timetable.serialize()
    assert timetable.infer_manual_data_interval(run_after=pendulum.datetime(2026, 11, 26)).end > pendulum.datetime(
        2026, 11, 25
    )


def starts(monkeypatch, lives, lifetime=600):
    """When the runs start, seconds from the first, whose lives last so many seconds; a scheduler that is never late."""
    begin = pendulum.datetime(2026, 3, 2, 14, 30)
    timetable = FollowerTimetable.deserialize(FollowerTimetable(lifetime).serialize())
    interval, now, started = DataInterval(begin.subtract(seconds=lifetime), begin), begin, []
    for life in lives:
        started.append((now - begin).total_seconds())
        monkeypatch.setattr("include.orchestration.timetables.pendulum.now", lambda _, now=now: now)
        info = timetable.next_dagrun_info(last_automated_data_interval=interval, restriction=CATCH_UP)
        interval, now = info.data_interval, max(info.run_after, now.add(seconds=life))
    return started


def test_runs_that_live_follow_each_other_at_once(monkeypatch):
    assert starts(monkeypatch, [600, 600, 600]) == [0, 600, 1_200]
    assert starts(monkeypatch, [20, 20, 20, 20], lifetime=20) == [0, 20, 40, 60]


def test_runs_that_fail_at_once_are_soon_a_minute_apart(monkeypatch):
    started = starts(monkeypatch, [600, *[3] * 20, 600, 600])
    assert started[:5] == [0, 600, 605, 665, 725]
    assert started[-2:] == [600 + 5 + 60 * 19, 600 + 5 + 60 * 19 + 600]


def test_a_follower_has_one_run_at_a_time():
    assert FollowerTimetable(600).active_runs_limit == 1


def test_a_calendar_that_has_ended_says_so():
    timetable = MarketSessionTimetable("XNYS")
    with pytest.raises(ConfigurationError, match="calendar XNYS has no session after 2100-12-31"):
        intervals(timetable, pendulum.datetime(2100, 12, 31, 20, 50), pendulum.datetime(2101, 2, 1))


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2026-11-23", "09:00", "2026-11-24T01:00"),  # winter: 04:00 to 20:00 in New York
        ("2026-07-01", "08:00", "2026-07-02T00:00"),  # summer time
        ("2026-11-27", "09:00", "22:00"),  # half-day: the post-market ends four hours after the close
        ("2001-09-17", "08:00", "2001-09-18T00:00"),  # opened late, after a silence
    ],
)
def test_all_hours_are_those_that_the_vendor_has_bars_of(day, first, last):
    start, end = pendulum.parse(f"{day}T{first}"), pendulum.parse(last if "T" in last else f"{day}T{last}")
    infos = intervals(MarketSessionTimetable("XNYS", hours="all"), start.subtract(hours=2), end.add(hours=2))
    expected = [start.add(minutes=n) for n in range(int((end - start).total_minutes()))]
    assert [info.data_interval.start for info in infos] == expected


@pytest.mark.parametrize("now", ["2026-11-24T12:00:30Z", "2026-11-24T18:00:30Z", "2026-11-25T00:30:30Z"])
def test_a_late_scheduler_goes_on_in_the_pre_market_as_in_any_hour(monkeypatch, now):
    moment = pendulum.parse(now)
    monkeypatch.setattr(pendulum, "now", lambda tz: moment)
    late = DataInterval(moment.subtract(hours=30), moment.subtract(hours=30).add(minutes=1))
    info = MarketSessionTimetable("XNYS", hours="all").next_dagrun_info(
        last_automated_data_interval=late, restriction=CATCH_UP._replace(catchup=False)
    )
    assert info.data_interval.end == moment.start_of("minute")


def test_a_market_that_never_closes_has_the_same_runs_in_all_hours():
    start = pendulum.datetime(2026, 11, 28, 23, 50)
    regular, all_hours = (
        intervals(MarketSessionTimetable("24/7", hours=hours), start, start.add(minutes=30))
        for hours in ("regular", "all")
    )
    assert regular == all_hours


def test_hours_that_are_not_known_are_refused():
    with pytest.raises(AirflowTimetableInvalid, match="hours='night' must be one of all, regular"):
        MarketSessionTimetable(hours="night").validate()
