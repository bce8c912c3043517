"""Statistics over windows against plain readings of the same words, over any series, any cut and any window."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection import windows
from include.surveillance.detection.segments import Segments

LONGER_THAN_A_BLOCK = windows.BLOCK + 90
prices = st.floats(0.01, 1e5, allow_subnormal=False)


@st.composite
def series(draw) -> tuple[np.ndarray, Segments]:
    """Prices of a few series, one behind the other; each is evaluated from some bar on."""
    lengths = draw(st.lists(st.integers(0, 60), min_size=1, max_size=4))
    end = np.cumsum(lengths)
    start = end - lengths
    first = np.array([draw(st.integers(s, e)) for s, e in zip(start.tolist(), end.tolist(), strict=True)], np.int64)
    values = np.array(draw(st.lists(prices, min_size=int(end[-1]), max_size=int(end[-1]))), dtype=float)
    return values, segments(start, first, end)


def segments(start, first, end) -> Segments:
    return Segments(np.arange(len(start)), start, first, first, end, end)


def each(values: np.ndarray, where: Segments):
    """(series' values, index of its first evaluated bar, where it lies) of every segment."""
    for start, first, end in zip(where.start, where.evaluate_from, where.end, strict=True):
        yield pd.Series(values[start:end]), first - start, slice(start, end)


def assert_is(out: np.ndarray, where: Segments, statistic, values: np.ndarray, **close) -> None:
    """``statistic`` of each series by pandas, NaN before the bars that are evaluated."""
    for one, first, here in each(values, where):
        expected = statistic(one).to_numpy(dtype=float, copy=True)
        expected[:first] = np.nan
        assert out[here] == pytest.approx(expected, nan_ok=True, **close)


@settings(deadline=None)
@given(series(), st.integers(2, 20))
def test_means_before(given_series, window):
    values, where = given_series
    out = np.full(len(values), -1.0)
    windows.means_before(values, where, window, out)
    assert_is(out, where, lambda one: one.rolling(window).mean().shift(1), values, rel=1e-9)


@settings(deadline=None)
@given(series(), st.integers(2, 20))
def test_extremes_before(given_series, window):
    high, where = given_series
    low = high * 0.9
    highest, lowest = np.full(len(high), -1.0), np.full(len(high), -1.0)
    windows.extremes_before(high, low, where, window, highest, lowest)
    assert_is(highest, where, lambda one: one.rolling(window).max().shift(1), high, rel=0)
    assert_is(lowest, where, lambda one: one.rolling(window).min().shift(1), low, rel=0)


@settings(deadline=None)
@given(series())
def test_log_returns_know_no_bar_of_another_series(given_series):
    values, where = given_series
    out = np.full(len(values), -1.0)
    windows.log_returns(values, where, out)
    for one, _, here in each(values, where):
        assert out[here] == pytest.approx(np.log(one / one.shift(1)).to_numpy(), nan_ok=True)


@settings(deadline=None)
@given(series(), st.integers(2, 20))
def test_true_ranges_before(given_series, window):
    close, where = given_series
    high, low = close * 1.01, close * 0.98
    out = np.full(len(close), -1.0)
    windows.true_ranges_before(high, low, close, where, window, out)

    def ranges(one):
        before = one.shift(1)
        widest = pd.concat([1.01 * one, before], axis=1).max(axis=1) - pd.concat([0.98 * one, before], axis=1).min(
            axis=1
        )
        return widest.where(before.notna()).rolling(window).mean().shift(1)

    assert_is(out, where, ranges, close, rel=1e-9)


def exact_deviation(values: list[float]) -> float:
    """In rational numbers, rounded once at the end."""
    numbers = [Fraction(value) for value in values]
    mean = sum(numbers) / len(numbers)
    return sqrt(sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))


@settings(deadline=None, max_examples=50)
@given(series(), st.integers(2, 20))
def test_deviations_are_right_to_the_last_bits(given_series, window):
    values, where = given_series
    out = np.full(len(values), -1.0)
    windows.deviations(values, where, window, out)
    for one, first, here in each(values, where):
        expected = [np.nan] * len(one)
        # The first value of a series has no return, so a window never begins with it.
        for i in range(max(first, window), len(one)):
            expected[i] = exact_deviation(one[i - window + 1 : i + 1].tolist())
        assert out[here] == pytest.approx(np.array(expected), rel=1e-12, abs=1e-12 * one.abs().max(), nan_ok=True)


@given(st.permutations(list(np.random.default_rng(3).normal(0, 1e-3, 20))))
def test_the_same_values_in_another_order_have_the_same_deviation(values):
    one = deviation_of(np.array(values))
    assert one == deviation_of(np.sort(values))


def deviation_of(values: np.ndarray) -> float:
    n = len(values) + 1
    out = np.empty(n)
    where = segments(np.zeros(1, np.int64), np.zeros(1, np.int64), np.full(1, n))
    windows.deviations(np.concatenate([[np.nan], values]), where, len(values), out)
    return out[-1]


def test_values_that_are_all_the_same_have_no_deviation():
    assert deviation_of(np.full(20, 1e-3 / 3)) == 0.0


def test_a_window_with_a_nan_has_no_deviation():
    values = np.arange(20.0)
    values[4] = np.nan
    assert np.isnan(deviation_of(values))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, LONGER_THAN_A_BLOCK), st.integers(2, 20), st.randoms(use_true_random=False))
def test_where_evaluation_begins_changes_no_bit(first, window, rng):
    values = np.exp(np.random.default_rng(rng.randint(0, 99)).normal(0, 0.01, LONGER_THAN_A_BLOCK))
    start, end = np.zeros(1, np.int64), np.full(1, len(values))
    results = []
    for begin in (0, first):
        where = segments(start, np.full(1, begin), end)
        outs = [np.empty(len(values)) for _ in range(5)]
        windows.means_before(values, where, window, outs[0])
        windows.extremes_before(values, values, where, window, outs[1], outs[2])
        windows.deviations(values, where, window, outs[3])
        windows.true_ranges_before(values, values, values, where, window, outs[4])
        results.append(outs)
    for whole, part in zip(*results, strict=True):
        assert np.array_equal(whole[first:], part[first:], equal_nan=True)
        assert np.isnan(part[:first]).all()


@settings(deadline=None)
@given(series(), st.integers(2, 10), st.data())
def test_forget_across_forgets_what_reaches_into_another_date(given_series, window, data):
    values, where = given_series
    date = np.sort(np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))), int))
    out = np.full(len(values), -1.0)
    windows.means_before(values, where, window, out)
    kept = out.copy()
    windows.forget_across(date, where, window, out)
    for i in range(len(values)):
        reaches = not np.isnan(kept[i]) and date[i - window] != date[i]
        assert np.isnan(out[i]) if reaches or np.isnan(kept[i]) else out[i] == kept[i]
