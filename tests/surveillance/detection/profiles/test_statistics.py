"""The statistics of a profile, against slow readings of their definitions."""

from __future__ import annotations

from itertools import pairwise
from math import log, pi, sqrt
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from include.surveillance.detection.profiles import statistics
from include.surveillance.timespans import DAY_MS, MINUTE_MS

SESSIONS, BARS = 4, 30

closes = st.lists(st.sampled_from([100.0, 100.5, 99.0, 103.0]), min_size=SESSIONS * BARS, max_size=SESSIONS * BARS)
kept = st.lists(st.booleans(), min_size=SESSIONS * BARS, max_size=SESSIONS * BARS)


def grid(present: list[bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index, session and slot of the bars that are there; each slot is one bar wide."""
    index = np.flatnonzero(present)
    return index, (index // BARS).astype(np.int32), (index % BARS).astype(np.int16)


@settings(deadline=None, max_examples=50)
@given(closes=closes, present=kept)
def test_returns_are_within_one_session(closes, present):
    index, session, _ = grid(present)
    close = np.array(closes)[index]
    expected = [np.nan] * bool(len(index))
    for i, j in pairwise(range(len(index))):
        expected.append(log(close[j] / close[i]) if session[i] == session[j] else np.nan)
    np.testing.assert_allclose(statistics.log_returns(session, close), expected, rtol=0, atol=1e-15)


@settings(deadline=None, max_examples=50)
@given(closes=closes, present=kept)
def test_quantiles_are_of_deviations_of_twenty_returns_of_one_session(closes, present):
    index, session, _ = grid(present)
    values = statistics.log_returns(session, np.array(closes)[index])
    deviations = []
    for day in range(SESSIONS):
        own = values[session == day].tolist()[1:]  # the first has no return
        deviations += [stdev(own[i : i + 20]) for i in range(len(own) - 19)]
    expected = np.quantile(deviations, (0.995, 0.8)) if deviations else (0.0, 0.0)
    assert statistics.volatility_quantiles(values) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-15)


@settings(deadline=None, max_examples=50)
@given(closes=closes, count=st.integers(1, SESSIONS + 1))
def test_the_range_of_a_day_reaches_to_the_close_before(closes, count):
    _, session, _ = grid([True] * SESSIONS * BARS)
    close = np.array(closes)
    high, low = close + 0.25, close - 0.5
    ranges = []
    for day in range(SESSIONS):
        own = session == day
        top, bottom, last = high[own].max(), low[own].min(), close[own][-1]
        if day:
            before = close[session == day - 1][-1]
            top, bottom = max(top, before), min(bottom, before)
        ranges.append((top - bottom) / last)
    assert statistics.mean_range(session, high, low, close, count) == pytest.approx(fmean(ranges[-count:]))


@settings(deadline=None, max_examples=50)
@given(closes=closes, present=kept, scale=st.sampled_from([0.5, 2.0, 8.0]))
def test_factors_average_one_over_a_session_and_do_not_know_the_size_of_moves(closes, present, scale):
    index, session, slot = grid(present)
    widths = np.ones(BARS, np.int64)
    values = statistics.log_returns(session, np.array(closes)[index])
    factors = statistics.return_factors(values, session, slot, widths)
    assert np.average(factors, weights=widths) == pytest.approx(1.0)
    assert factors.min() > 0
    assert np.array_equal(statistics.return_factors(scale * values, session, slot, widths), factors)


def test_factors_are_one_where_nothing_moves_and_higher_where_much_does():
    _, session, slot = grid([True] * SESSIONS * BARS)
    widths = np.ones(BARS, np.int64)
    still = statistics.log_returns(session, np.full(SESSIONS * BARS, 100.0))
    assert statistics.return_factors(still, session, slot, widths).tolist() == [1.0] * BARS
    moves = np.where(slot == 10, 0.02, 0.001)
    moves[slot == 0] = np.nan
    factors = statistics.return_factors(moves, session, slot, widths)
    assert set(np.flatnonzero(factors > 1)) == {9, 10, 11}, "smoothed with its neighbours"
    once = moves.copy()
    once[(session == 1) & (slot == 20)] = 5.0
    assert statistics.return_factors(once, session, slot, widths)[20] < 3 * factors[20], "one move counts five times"


@pytest.mark.parametrize("busy", [1.0, 2.0])
def test_the_usual_volume_is_that_of_its_time_of_day(busy):
    """Of three sessions one is ``busy`` times as busy all day: the level is not moved by it."""
    _, session, slot = grid([True] * 3 * BARS)
    ts = (session.astype(np.int64) * 1440 + slot) * MINUTE_MS
    shares = np.where(slot < 15, 1000.0, 3000.0) * np.where(session == 2, busy, 1.0)
    days = [shares[day * BARS : (day + 1) * BARS] for day in range(3)]
    recent = np.concatenate([[sum(day[max(0, k - 4) : k + 1]) for k in range(BARS)] for day in days])
    widths = np.ones(BARS, np.int64)
    pool = statistics.pool_slots(widths, MINUTE_MS)
    level, scale = statistics.estimate_volume(ts, session, slot, np.log1p(recent), MINUTE_MS, widths, *pool)
    five = [sum(1000.0 if s < 15 else 3000.0 for s in range(k - 4, k + 1)) for k in range(4, BARS)]
    assert level[4:] == pytest.approx(np.log1p(five), abs=1e-3)
    assert scale.max() < 1e-9, "two of three sessions are exactly as usual"


@settings(deadline=None, max_examples=50)
@given(
    x=st.lists(st.sampled_from([2.0, 5.0, 5.5, 9.0, 0.0]), min_size=2 * BARS, max_size=2 * BARS),
    present=st.lists(st.booleans(), min_size=2 * BARS, max_size=2 * BARS) | st.just([True] + [False] * (2 * BARS - 1)),
    days=st.integers(1, 2),
)
def test_one_or_two_sessions_borrow_from_the_hour_around(x, present, days):
    """A bar is 15 minutes long, so that four slots on each side are within the hour, and other five minutes begin with
    each bar."""
    index, session, slot = grid(present[: days * BARS])
    assume(len(index))
    x, days = np.array(x)[index], len(set(session.tolist()))
    span, widths = 15 * MINUTE_MS, np.ones(BARS, np.int64)
    ts = session.astype(np.int64) * DAY_MS + slot.astype(np.int64) * span
    levels, steps = {}, []
    medians = {day: np.median(x[session == day]) for day in session.tolist()}
    for i, (day, place) in enumerate(zip(session.tolist(), slot.tolist(), strict=True)):
        levels.setdefault(place, []).append(x[i] - medians[day])
        other = i - 1 if i else 1 if len(x) > 1 else 0
        steps.append(abs(x[i] - x[other]) / sqrt(2))
    known = sorted(levels)
    level = np.interp(range(BARS), known, [np.median(levels[place]) for place in known])
    level += np.median(list(medians.values()))
    scale = np.full(BARS, np.nan)
    for place in range(BARS):
        near = [step for step, of in zip(steps, slot.tolist(), strict=True) if abs(of - place) <= 4]
        if near:
            scale[place] = 1.4826 * np.median(near) * sqrt(1 + pi / (2 * days))
        else:
            level[place] = np.nan
    found = statistics.estimate_volume(ts, session, slot, x, span, widths, *statistics.pool_slots(widths, span))
    np.testing.assert_allclose(found[0], level, atol=1e-12)
    np.testing.assert_allclose(found[1], scale, atol=1e-12)


@given(minutes=st.sets(st.integers(0, 40), min_size=1))
def test_steps_are_between_bars_that_share_no_minute(minutes):
    ts = np.array(sorted(minutes), np.int64)
    x, expected = np.sqrt(ts), []
    for i, minute in enumerate(ts.tolist()):
        before, after = x[ts <= minute - 5], x[ts >= minute + 5]
        other = before[-1] if len(before) else after[0] if len(after) else x[i]
        expected.append((x[i] - other) / sqrt(2))
    steps = np.empty(len(ts))
    statistics.measure_steps(ts * MINUTE_MS, x, steps)
    assert steps.tolist() == pytest.approx(expected, abs=1e-15)


@settings(max_examples=100)
@given(
    groups=st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.5, 1e-9, 7.0]), max_size=12), min_size=1, max_size=30),
    reach=st.integers(0, 4),
)
def test_pooled_medians_are_those_of_the_slots_around(groups, reach):
    values = np.array([value for group in groups for value in group])
    starts = np.cumsum([0, *(len(group) for group in groups)])
    slots = np.arange(len(groups))
    first, last = np.maximum(slots - reach, 0), np.minimum(slots + reach + 1, len(groups))
    near = [values[starts[a] : starts[b]] for a, b in zip(first, last, strict=True)]
    expected = [np.median(one) if len(one) else np.nan for one in near]
    np.testing.assert_array_equal(statistics.pooled_medians(values, starts, first, last), expected)


@given(values=st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=300))
def test_sizes_are_sorted_as_numbers(values):
    sizes = np.array(values)
    assert sizes[statistics.sort_sizes(sizes)].tolist() == sorted(values)
