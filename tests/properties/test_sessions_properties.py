"""What holds for every moment of a calendar."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS

XNYS = Sessions()
EARLIEST, LATEST = 1_000_000_000_000, 1_780_000_000_000  # 2001 to 2026

times = st.integers(EARLIEST, LATEST)
spans = st.integers(0, 30 * 86_400_000)
shifts = st.integers(-10_000, 3_000_000).map(lambda minutes: minutes * MINUTE_MS)


@given(times, spans, spans)
def test_session_minutes_add_up(start, first, second):
    middle, end = start + first, start + first + second
    whole = XNYS.minutes_between(start, end)
    assert abs(whole - XNYS.minutes_between(start, middle) - XNYS.minutes_between(middle, end)) < 1e-6
    assert 0 <= whole <= (end - start) / MINUTE_MS


@given(times)
@example(1_143_469_800_000)  # an open
def test_a_minute_counts_exactly_when_it_is_regular(moment):
    start = moment // MINUTE_MS * MINUTE_MS
    assert XNYS.minutes_between(start, start + MINUTE_MS) == (XNYS.phase(start) in ("opening_auction", "regular"))


@given(times)
def test_sessions_follow_each_other_without_overlap(moment):
    before, after = XNYS.at_or_before(moment), XNYS.following(moment)
    assert before.open_ms <= moment < after.open_ms
    assert before.close_ms < after.open_ms
    assert (before.close_ms - before.open_ms) / MINUTE_MS <= 390
    assert XNYS.following(before.open_ms) == after
    assert XNYS.recent(1, moment) == [before]


@given(times)
def test_a_moment_belongs_to_the_session_around_it_or_next_to_it(moment):
    before, after = XNYS.at_or_before(moment), XNYS.following(moment)
    expected = {"pre": after.date}.get(XNYS.phase(moment), before.date)
    assert XNYS.session_date(moment) == expected


@given(times, shifts, spans)
def test_a_shift_moves_everything_and_changes_nothing_else(moment, shift, span):
    moved = Sessions("XNYS", shift)
    assert moved.phase(moment + shift) == XNYS.phase(moment)
    assert moved.session_date(moment + shift) == XNYS.session_date(moment)
    assert moved.minutes_between(moment + shift, moment + shift + span) == XNYS.minutes_between(moment, moment + span)
    assert moved.following(moment + shift).open_ms == XNYS.following(moment).open_ms + shift
    assert [session.date for session in moved.recent(3, moment + shift)] == [s.date for s in XNYS.recent(3, moment)]
