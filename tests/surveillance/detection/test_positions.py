"""Where bars lie in the calendar, against a reading of the sessions bar by bar."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.positions import EPOCH, TradingCalendar, date_ordinal, iso_date
from include.surveillance.detection.slots import nominal_bars, slot_at
from include.surveillance.sessions import PHASES, Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS, NEW_YORK, SPAN_MS, to_ms, to_utc

SHIFT_MS = 5 * 365 * DAY_MS
CALENDARS = {
    name: TradingCalendar(Sessions(calendar, shift_ms))
    for name, calendar, shift_ms in (("XNYS", "XNYS", 0), ("always", "24/7", 0), ("shifted", "XNYS", SHIFT_MS))
}
# A half-day after a holiday, both changes of the clocks, an ordinary week.
WEEKS = ["2019-11-25", "2019-03-07", "2019-10-31", "2023-01-03"]


def new_york(day: str) -> int:
    return to_ms(datetime.fromisoformat(day).replace(tzinfo=NEW_YORK))


def expected(calendar: TradingCalendar, ts_ms: int, timespan: str) -> tuple:
    """(session, phase, regular, slot, date) of one bar."""
    sessions, span = calendar.sessions, SPAN_MS[timespan]
    following, latest = sessions.following(ts_ms), sessions.at_or_before(ts_ms)
    phase = sessions.phase(ts_ms)
    local = to_utc(ts_ms - sessions.shift_ms).astimezone(NEW_YORK)
    session, date_ = following.date if phase == "pre" else latest.date, str(local.date())
    if span != MINUTE_MS:
        phase = {"opening_auction": "regular", "closing_auction": "post"}.get(phase, phase)
    if phase not in ("opening_auction", "regular") and (timespan == "day" or ts_ms < following.open_ms < ts_ms + span):
        phase, session = "regular", following.date
    if not sessions.extended or (timespan == "day" and (local.hour, local.minute) != (0, 0)):
        date_ = session
    slots, slot = calendar.slots(timespan), -1
    whole = next(it for it in (latest, following) if it.date == session)
    regular = phase in ("opening_auction", "regular")
    if regular:
        spans = ceil(Fraction(whole.close_ms - whole.open_ms, span))
        k = 0 if timespan == "day" else min(max(ceil(Fraction(ts_ms - whole.open_ms, span)), 0), spans - 1)
        slot = slot_at(k, spans, nominal_bars(timespan, calendar.session_minutes))
    elif phase != "closed":
        group = max(15, span // MINUTE_MS)
        since = (ts_ms - (whole.first_ms if phase == "pre" else whole.close_ms)) // MINUTE_MS
        slot = {"pre": slots.pre + since // group, "closing_auction": slots.closing}.get(
            phase, slots.post + since // group
        )
    return (*map(date_ordinal, [session]), PHASES.index(phase), regular, slot, date_ordinal(date_))


@pytest.mark.parametrize("name", CALENDARS)
@settings(deadline=None, max_examples=25)
@given(
    week=st.sampled_from(WEEKS),
    series=st.lists(
        st.tuples(st.sampled_from(sorted(SPAN_MS)), st.lists(st.integers(0, 8 * 1440), unique=True, max_size=12)),
        min_size=1,
        max_size=3,
    ),
)
def test_positions_are_those_of_the_sessions_read_bar_by_bar(name, week, series):
    calendar, first = CALENDARS[name], new_york(week)
    timespans = [timespan for timespan, _ in series]
    starts = [
        sorted({first + calendar.sessions.shift_ms + minute * MINUTE_MS // SPAN_MS[timespan] * SPAN_MS[timespan]
                for minute in minutes})
        for timespan, minutes in series
    ]  # fmt: skip
    end = np.cumsum([len(one) for one in starts])
    ts = np.array([one for some in starts for one in some], np.int64)
    positions = calendar.locate_bars(ts, end - [len(one) for one in starts], end, timespans)
    located = list(zip(*(array.tolist() for array in positions), strict=True))
    bars = [(ts_ms, timespan) for some, timespan in zip(starts, timespans, strict=True) for ts_ms in some]
    assert located == [expected(calendar, *bar) for bar in bars]
    for (ts_ms, timespan), (session, phase, _, _, day) in zip(bars, located, strict=True):
        assert calendar.locate(ts_ms, timespan) == (session, phase, day)


def located(calendar: TradingCalendar, timespan: str, *texts: str):
    ts = np.array([new_york(text) for text in texts])
    return calendar.locate_bars(ts, np.array([0]), np.array([len(ts)]), [timespan])


def test_the_parts_of_a_full_day_and_of_a_half_day():
    calendar = CALENDARS["XNYS"]
    assert calendar.session_minutes == 390
    parts = [
        "closed",
        "pre",
        "pre",
        "opening_auction",
        "regular",
        "regular",
        "closing_auction",
        "post",
        "post",
        "closed",
    ]
    full = located(
        *(calendar, "minute", "2019-11-27 03:59", "2019-11-27 04:00", "2019-11-27 09:29", "2019-11-27 09:30"),
        *("2019-11-27 09:31", "2019-11-27 15:59", "2019-11-27 16:00", "2019-11-27 16:01", "2019-11-27 19:59"),
        "2019-11-27 20:00",
    )
    assert [PHASES[phase] for phase in full.phase] == parts
    assert full.slot.tolist() == [-1, 94, 115, 0, 1, 93, 116, 117, 132, -1]
    half = located(
        *(calendar, "minute", "2019-11-29 03:59", "2019-11-29 04:00", "2019-11-29 09:29", "2019-11-29 09:30"),
        *("2019-11-29 09:31", "2019-11-29 12:59", "2019-11-29 13:00", "2019-11-29 13:01", "2019-11-29 16:59"),
        "2019-11-29 17:00",
    )
    assert [PHASES[phase] for phase in half.phase] == parts
    assert half.slot.tolist() == full.slot.tolist()


@pytest.mark.parametrize(
    ("day", "opens"),
    [
        ("2002-09-11", "12:00"),  # a year after the attacks
        ("2019-02-14", "09:30"),
        ("1996-01-08", "11:00"),  # a snow storm
    ],
)
def test_before_a_late_open_is_pre_market(day, opens):
    calendar = CALENDARS["XNYS"]
    positions = located(calendar, "minute", f"{day} 04:00", f"{day} {opens}")
    assert [PHASES[phase] for phase in positions.phase] == ["pre", "opening_auction"]
    before = TradingCalendar(calendar.sessions).locate(new_york(f"{day} {opens}") - MINUTE_MS)
    assert PHASES[before.phase] == "pre"
    assert located(calendar, "minute", f"{day} 04:00", f"{day} 10:59").slot.max() <= 115


def test_a_day_bar_is_of_the_session_of_its_date():
    calendar = CALENDARS["XNYS"]
    # The vendor's stamp, those of the open and the close, and UTC's midnight, which is the evening before.
    for stamp in ("2019-02-15 00:00", "2019-02-15 09:30", "2019-02-14 19:00"):
        position = calendar.locate(new_york(stamp), "day")
        assert (iso_date(position.session), iso_date(position.date)) == ("2019-02-15", "2019-02-15")


def test_before_the_calendar_begins_there_is_no_session():
    position = CALENDARS["XNYS"].locate(new_york("1970-01-01 03:00"))
    assert (position.session, iso_date(position.session), PHASES[position.phase]) == (-1, "", "closed")


@settings(max_examples=50)
@given(day=st.dates(date(1970, 1, 1), date(2100, 1, 1)))
def test_ordinals_and_dates_are_inverse(day):
    assert iso_date(date_ordinal(day.isoformat())) == day.isoformat()
    assert date_ordinal(day.isoformat()) == bisect_right(range(60_000), (day - EPOCH).days) - 1
