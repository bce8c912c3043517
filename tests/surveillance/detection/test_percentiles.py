"""Percentiles of strictly earlier values: right, and the same however the values are cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.percentiles import BINS, LEAST, RELATIVE_ACCURACY, VALUES, bin_of, exact, sketched
from include.surveillance.detection.segments import Segments

MOST = 7.6
"""The greatest value that the sketch tells from a greater one."""
ACCURACY = RELATIVE_ACCURACY * (1 + 1e-9)

numbers = st.floats(LEAST, MOST)
series = st.lists(numbers, min_size=1, max_size=300)
with_holes = st.lists(numbers | st.just(np.nan), max_size=200)
percents = st.sampled_from([0.0, 5.0, 50.0, 90.0, 95.0, 99.5, 100.0])
least_counts = st.integers(1, 20)


def earlier(values, percent: float, least: int, settled=()) -> np.ndarray:
    """What numpy says of the values before each value; NaN where it is NaN or they are too few."""
    known, found = list(settled), []
    for value in values:
        skipped = np.isnan(value) or len(known) < max(least, 1)
        found.append(np.nan if skipped else np.percentile(known, percent))
        if not np.isnan(value):
            known.append(value)
    return np.array(found)


def in_sketch(values, percent: float, least: int, bins=None, counts=None, settle: int | None = None):
    """One series in the sketched form: (limits, bins, counts); ``settle`` values are remembered, None: all."""
    values = np.array(values, dtype=float)
    bins = np.zeros((1, BINS), np.int32) if bins is None else bins
    counts = np.zeros(1, np.int64) if counts is None else counts
    limits = np.full(len(values), -1.0)
    start, zero = np.zeros(1, np.int64), np.zeros(1, np.int64)
    end = np.array([len(values)])
    settled = end if settle is None else np.array([settle])
    segments = Segments(zero, start, start, start, settled, end)
    sketched(values, segments, percent, least, bins, counts, limits)
    return limits, bins, counts


def in_exact(values, percent: float, least: int, settled=()) -> np.ndarray:
    limits = np.full(len(values), -1.0)
    exact(np.sort(np.array(settled, dtype=float)), np.array(values, dtype=float), percent, least, limits)
    return limits


def same(found, expected) -> bool:
    return np.array_equal(found, expected, equal_nan=True)


@settings(deadline=None)
@given(series, series | st.just([]), percents, least_counts)
def test_exact_is_numpys_linear_percentile_of_what_came_before(values, settled, percent, least):
    found = in_exact(values, percent, least, settled)
    assert found == pytest.approx(earlier(values, percent, least, settled), rel=1e-12, nan_ok=True)


@settings(deadline=None)
@given(series, percents, least_counts, st.data())
def test_exact_answers_the_same_however_the_values_are_cut(values, percent, least, data):
    whole = in_exact(values, percent, least)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=6)))
    pieces = [in_exact(values[a:b], percent, least, values[:a]) for a, b in pairwise([0, *cuts, len(values)])]
    assert same(np.concatenate(pieces), whole)


@settings(deadline=None)
@given(series, percents, least_counts)
def test_sketch_is_within_its_stated_accuracy(values, percent, least):
    found, *_ = in_sketch(values, percent, least)
    assert found == pytest.approx(earlier(values, percent, least), rel=ACCURACY, nan_ok=True)


@pytest.mark.parametrize("value", [LEAST, 1e-4, 0.5, 1.0, MOST])
def test_sketch_holds_the_ends_of_its_range(value):
    assert VALUES[bin_of(value)] == pytest.approx(value, rel=ACCURACY)


def test_beyond_its_range_the_sketch_says_zero_or_its_most():
    assert VALUES[bin_of(LEAST * 0.999)] == VALUES[bin_of(0.0)] == 0.0
    assert bin_of(1e9) == bin_of(8.0) == BINS - 1
    assert VALUES[-1] == pytest.approx(MOST, rel=0.011)


@settings(deadline=None)
@given(with_holes, percents, least_counts)
def test_a_missing_value_is_neither_counted_nor_asked_about(values, percent, least):
    found, bins, counts = in_sketch(values, percent, least)
    present = ~np.isnan(np.array(values, dtype=float))
    without, bins_without, _ = in_sketch(np.array(values, dtype=float)[present], percent, least)
    assert np.isnan(found[~present]).all()
    assert same(found[present], without)
    assert np.array_equal(bins, bins_without)
    assert counts[0] == present.sum() == bins.sum()


@settings(deadline=None)
@given(with_holes, percents, least_counts, st.data())
def test_what_is_not_settled_is_answered_about_and_not_remembered(values, percent, least, data):
    settle = data.draw(st.integers(0, len(values)))
    whole, *_ = in_sketch(values, percent, least)
    found, bins, counts = in_sketch(values, percent, least, settle=settle)
    _, bins_settled, counts_settled = in_sketch(values[:settle], percent, least)
    assert same(found, whole)
    assert np.array_equal(bins, bins_settled)
    assert counts[0] == counts_settled[0]


@settings(deadline=None)
@given(with_holes, percents, least_counts, st.lists(st.integers(0, 200), max_size=6), st.integers(0, 20))
def test_the_sketch_answers_the_same_however_the_values_are_cut(values, percent, least, cuts, revisable):
    """Each piece looks again at what the one before had not settled."""
    whole, bins_whole, counts_whole = in_sketch(values, percent, least)
    bins, counts, settled, found = np.zeros((1, BINS), np.int32), np.zeros(1, np.int64), 0, np.full(len(values), -1.0)
    for end in (*sorted(min(cut, len(values)) for cut in cuts), len(values)):
        settle = max(settled, end - revisable)
        found[settled:end], *_ = in_sketch(values[settled:end], percent, least, bins, counts, settle - settled)
        settled = settle
    assert same(found, whole)
    in_sketch(values[settled:], percent, least, bins, counts)
    assert np.array_equal(bins, bins_whole)
    assert counts[0] == counts_whole[0]


def test_series_do_not_touch_each_other_and_bars_before_the_cut_are_not_asked_about():
    values = np.concatenate([np.full(5, 0.001), np.full(5, 1.0)])
    bins, counts, limits = np.zeros((3, BINS), np.int32), np.zeros(3, np.int64), np.full(10, -1.0)
    lo, cut, hi = np.array([0, 5]), np.array([2, 5]), np.array([5, 10])
    segments = Segments(np.array([2, 0]), lo, cut, cut, hi, hi)
    sketched(values, segments, 95.0, 1, bins, counts, limits)
    assert np.isnan(limits[[0, 1, 2, 5]]).all()
    assert limits[3:5] == pytest.approx(0.001, rel=ACCURACY)
    assert limits[6:] == pytest.approx(1.0, rel=ACCURACY)
    assert counts.tolist() == [5, 0, 3]
    assert bins[1].sum() == 0
