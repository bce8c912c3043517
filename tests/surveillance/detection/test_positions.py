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

from include.surveillance.detection.positions import (
    EPOCH,
    PHASES,
    TradingCalendar,
    bars_per_slot,
    date_ordinal,
    iso_date,
    nominal_bars,
    slot_at,
    slot_count,
)
from include.surveillance.sessions import Sessions
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
    """(session, phase, regular, slot, date, regular by the clock) of one bar."""
    sessions, span = calendar.sessions, SPAN_MS[timespan]
    following = sessions.following(ts_ms)
    phase, session = sessions.phase(ts_ms), sessions.session_date(ts_ms)
    if phase != "regular" and (timespan == "day" or ts_ms < following.open_ms < ts_ms + span):
        phase, session = "regular", following.date
    local = to_utc(ts_ms - sessions.shift_ms).astimezone(NEW_YORK)
    # In hours that have passed: on the Sundays on which the clock is changed nothing trades.
    of_day = (ts_ms - sessions.shift_ms - to_ms(local.replace(hour=0, minute=0))) / MINUTE_MS
    clock = phase == "regular"
    if sessions.calendar == "XNYS":
        clock = timespan == "day" or 570 <= of_day < 960 or of_day < 570 < of_day + span / MINUTE_MS
    slot = -1
    if phase == "regular":
        opens, closes, ordinals = sessions.arrays()
        ((opened, closed),) = (
            (opens[n], closes[n]) for n in np.flatnonzero(ordinals == (date.fromisoformat(session) - EPOCH).days)
        )
        spans = ceil(Fraction(int(closed - opened), span))
        k = 0 if timespan == "day" else min(max(ceil(Fraction(int(ts_ms - opened), span)), 0), spans - 1)
        slot = slot_at(k, spans, nominal_bars(timespan, calendar.session_minutes))
    return (
        (date.fromisoformat(session) - EPOCH).days,
        PHASES.index(phase),
        phase == "regular",
        slot,
        (local.date() - EPOCH).days,
        clock,
    )


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
    for (ts_ms, timespan), (session, phase, _, _, day, _) in zip(bars, located, strict=True):
        assert calendar.locate(ts_ms, timespan) == (session, phase, day)


def test_a_half_day_is_shorter_and_the_clock_does_not_know():
    calendar = CALENDARS["XNYS"]
    assert calendar.session_minutes == 390
    early, late = (new_york(f"2019-11-29 {time}") for time in ("12:59", "13:00"))
    positions = calendar.locate_bars(np.array([early, late]), np.array([0]), np.array([2]), ["minute"])
    assert [PHASES[phase] for phase in positions.phase] == ["regular", "post"]
    assert positions.clock_regular.tolist() == [True, True]
    assert positions.slot.tolist() == [slot_count("minute", 390) - 1, -1]


def test_before_the_calendar_begins_there_is_no_session():
    position = CALENDARS["XNYS"].locate(new_york("1990-01-02 03:00"))
    assert (position.session, iso_date(position.session), PHASES[position.phase]) == (-1, "", "closed")


@settings(max_examples=50)
@given(day=st.dates(date(1970, 1, 1), date(2100, 1, 1)))
def test_ordinals_and_dates_are_inverse(day):
    assert iso_date(date_ordinal(day.isoformat())) == day.isoformat()
    assert date_ordinal(day.isoformat()) == bisect_right(range(60_000), (day - EPOCH).days) - 1


def test_slots_of_full_and_half_days():
    full = [slot_at(k, 390, 390) for k in range(390)]
    assert full[:10] == list(range(10))
    assert full[10:20] == [10] * 5 + [11] * 5
    assert full[-10:] == list(range(84, 94))
    assert full[379] == 83
    assert sorted(set(full)) == list(range(94))
    half = [slot_at(k, 210, 390) for k in range(210)]
    assert half[:200] == full[:200]
    assert half[-10:] == full[-10:]
    assert [slot_at(k, 26, 26) for k in range(26)] == list(range(26))
    assert [slot_at(k, 14, 26) for k in (0, 12, 13)] == [0, 12, 25]
    assert slot_at(-1, 390, 390) == slot_at(390, 390, 390) == -1
    assert [slot_count(timespan, 390) for timespan in ("5minute", "15minute", "hour", "day")] == [78, 26, 7, 1]
    assert slot_count("minute", 1440) == 304


class TestSlots:
    @pytest.mark.parametrize("minutes", [390, 1440])
    @pytest.mark.parametrize("timespan", sorted(SPAN_MS))
    def test_widths_count_the_spans_of_a_full_session(self, timespan, minutes):
        bars = nominal_bars(timespan, minutes)
        widths = bars_per_slot(timespan, minutes)
        assert (sum(widths), len(widths)) == (bars, slot_count(timespan, minutes))
        assert min(widths) >= 1

    @settings(max_examples=100)
    @given(nominal=st.integers(1, 1440), data=st.data())
    def test_a_half_days_slots_rise_and_end_with_the_full_sessions_last(self, nominal, data):
        bars = data.draw(st.integers(1, nominal))
        slots = [slot_at(k, bars, nominal) for k in range(bars)]
        assert slots == sorted(slots)
        assert slots[-1] == slot_at(nominal - 1, nominal, nominal)
        assert slot_at(-1, bars, nominal) == slot_at(bars, bars, nominal) == -1
