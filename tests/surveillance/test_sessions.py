from __future__ import annotations

import re
from datetime import datetime

import pytest

from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import NEW_YORK

XNYS = Sessions()
MINUTE = 60_000


def new_york(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp() * 1000)


def length_minutes(text: str) -> float:
    session = XNYS.at_or_before(new_york(text))
    return (session.close_ms - session.open_ms) / MINUTE


def test_a_session_runs_from_half_past_nine_to_four():
    session = XNYS.at_or_before(new_york("2019-02-14 12:00"))
    assert (session.open_ms, session.close_ms) == (new_york("2019-02-14 09:30"), new_york("2019-02-14 16:00"))


@pytest.mark.parametrize("day", ["2018-07-03", "2018-11-23", "2018-12-24", "2024-11-29"])
def test_a_half_day_ends_at_one(day):
    assert length_minutes(f"{day} 12:00") == 210
    assert XNYS.phase(new_york(f"{day} 12:59")) == "regular"
    assert XNYS.phase(new_york(f"{day} 13:00")) == "closing_auction"
    assert XNYS.phase(new_york(f"{day} 13:01")) == XNYS.phase(new_york(f"{day} 16:59")) == "post"
    assert XNYS.phase(new_york(f"{day} 17:00")) == "closed"


@pytest.mark.parametrize(
    ("day", "before"),
    [
        ("2019-01-21", "2019-01-18"),
        ("2018-12-05", "2018-12-04"),
        ("2012-10-30", "2012-10-26"),
        ("2024-12-25", "2024-12-24"),
    ],
)
def test_a_holiday_has_no_session(day, before):
    noon = new_york(f"{day} 12:00")
    assert XNYS.phase(noon) == "closed"
    assert XNYS.session_date(noon) == before
    assert XNYS.minutes_between(new_york(f"{day} 00:00"), new_york(f"{day} 23:59")) == 0


@pytest.mark.parametrize("monday", ["2019-03-11", "2019-11-04"])
def test_the_open_follows_the_clock_of_new_york(monday):
    friday = XNYS.at_or_before(new_york(f"{monday} 00:00"))
    session = XNYS.following(friday.open_ms)
    assert session.open_ms == new_york(f"{monday} 09:30")
    assert (session.open_ms - friday.open_ms) % 86_400_000 in (23 * 3_600_000, 3_600_000), "an hour earlier or later"


@pytest.mark.parametrize(
    ("time", "phase"),
    [
        ("03:59", "closed"),
        ("04:00", "pre"),
        ("09:29", "pre"),
        ("09:30", "opening_auction"),
        ("09:31", "regular"),
        ("15:59", "regular"),
        ("16:00", "closing_auction"),
        ("16:01", "post"),
        ("19:59", "post"),
        ("20:00", "closed"),
    ],
)
def test_phases_of_a_day(time, phase):
    assert XNYS.phase(new_york(f"2019-02-14 {time}")) == phase


def test_the_night_belongs_to_the_session_before_and_the_early_morning_to_the_next():
    assert XNYS.session_date(new_york("2019-02-14 22:00")) == "2019-02-14"
    assert XNYS.session_date(new_york("2019-02-15 05:00")) == "2019-02-15"
    assert XNYS.session_date(new_york("2019-02-17 12:00")) == "2019-02-15", "a Sunday"


def test_minutes_between_skips_nights_weekends_and_the_second_half_of_half_days():
    friday, monday = new_york("2019-02-15 15:00"), new_york("2019-02-19 10:00")
    assert XNYS.minutes_between(friday, monday) == 60 + 30, "Presidents' Day lies between"
    assert XNYS.minutes_between(new_york("2018-11-23 00:00"), new_york("2018-11-26 00:00")) == 210
    assert XNYS.minutes_between(monday, friday) == 0


def test_minutes_count_to_the_end_of_the_last_session_that_the_calendar_knows():
    opens, closes, _ = XNYS.arrays()
    before_its_close, long_after = int(closes[-1]) - 30 * 60_000, int(closes[-1]) + 400 * 86_400_000
    assert XNYS.minutes_between(before_its_close, long_after) == 30
    assert XNYS.minutes_between(int(opens[-2]), long_after) == sum(closes[-2:] - opens[-2:]) / 60_000


def test_recent_sessions_are_the_latest_that_have_opened():
    at_open = new_york("2019-02-15 09:30")
    assert [session.date for session in XNYS.recent(2, at_open)] == ["2019-02-14", "2019-02-15"]
    assert [session.date for session in XNYS.recent(2, at_open - 1)] == ["2019-02-13", "2019-02-14"]
    assert XNYS.recent(3, 0) == []


def test_outside_the_calendar_there_is_nothing():
    assert XNYS.at_or_before(0) is None
    assert XNYS.following(2**42) is None
    assert XNYS.session_date(0) == ""
    assert XNYS.phase(0) == "closed"


def test_minutes_from_before_the_calendar_count_from_its_first_session():
    first = XNYS.following(0)
    assert XNYS.minutes_between(0, first.open_ms + 5 * MINUTE) == 5


def test_the_market_that_never_closes():
    always = Sessions("24/7")
    midnight = 1_790_035_200_000  # 2026-09-22 00:00 UTC
    assert always.phase(midnight - 1) == always.phase(midnight) == "regular"
    assert (always.session_date(midnight - 1), always.session_date(midnight)) == ("2026-09-21", "2026-09-22")
    assert always.minutes_between(midnight - 90 * MINUTE, midnight + 30 * MINUTE) == 120


@pytest.mark.parametrize("name", ["NYSE", "nyse", "XNAS", "NASDAQ", "us", " xnys "])
def test_a_calendar_has_one_meaning_whatever_it_is_called(name):
    sessions = Sessions(name)
    assert (sessions.calendar, sessions.extended) == ("XNYS", True)
    assert sessions.phase(new_york("2019-02-14 05:00")) == "pre"


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2002-09-11", "12:00", "16:00"),  # a year after the attacks
        ("1996-01-08", "11:00", "14:00"),  # a storm
        ("2006-12-27", "09:32", "16:00"),  # a silence
        ("2005-06-01", "09:30", "15:56"),  # a failure
    ],
)
def test_late_opens_and_early_closes_that_no_rule_gives(day, opens, closes):
    session = XNYS.at_or_before(new_york(f"{day} 12:30"))
    assert (session.open_ms, session.close_ms) == (new_york(f"{day} {opens}"), new_york(f"{day} {closes}"))
    assert session.first_ms == new_york(f"{day} 04:00")
    assert session.end_ms - session.close_ms == 240 * MINUTE
    assert XNYS.phase(session.open_ms - MINUTE) == "pre"


@pytest.mark.parametrize(("name", "first"), [("XNYS", "1970"), ("24/7", "1970"), ("XTKS", "1997"), ("XSHG", "1990")])
def test_a_calendar_covers_what_its_library_knows_and_says_so(name, first):
    sessions = Sessions(name)
    start_ms, end_ms = sessions.range_ms
    assert sessions.covers(start_ms)
    assert sessions.covers(end_ms - 1)
    assert not sessions.covers(start_ms - 1)
    assert not sessions.covers(end_ms)
    assert re.fullmatch(
        f"calendar {name} knows the sessions from {first}-.* to {sessions.last_date()}", sessions.describe_range()
    )


def test_the_crash_of_1987_is_a_session():
    assert XNYS.at_or_before(new_york("1987-10-19 12:00")).date == "1987-10-19"


def test_sessions_between_two_dates():
    assert [session.date for session in XNYS.between("2021-06-17", "2021-06-22")] == ["2021-06-18", "2021-06-21"]
    assert XNYS.between("2021-06-18", "2021-06-21") == [], "a weekend"
    assert XNYS.between("2021-06-21", "2021-06-18") == []


def test_an_unknown_calendar_is_refused():
    with pytest.raises(ConfigurationError, match=r"unknown market calendar 'MARS'.*XNYS"):
        Sessions("MARS")


@pytest.mark.parametrize("day", ["2028-03-01", "2031-07-02", "2038-01-20", "2050-12-30", "2090-06-01"])
def test_the_calendar_does_not_end_with_the_process(day):
    assert XNYS.phase(new_york(f"{day} 12:00")) == "regular"
    assert XNYS.phase(new_york(f"{day} 03:59")) == "closed"
    assert Sessions("24/7").phase(new_york(f"{day} 03:59")) == "regular"


def test_a_calendar_whose_holidays_are_not_known_for_so_long_goes_as_far_as_they_are():
    assert Sessions("XHKG").last_date() > "2026"
