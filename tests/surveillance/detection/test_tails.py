"""Tails say how often sessions reach a score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.tails import (
    BINS,
    LOWEST,
    PERIODS,
    STEP,
    bin_of,
    count_scores,
    estimate_levels,
    level_at,
    period_of,
)

PRIOR = 6.5
NONE = np.zeros(BINS, np.int64)
scores = st.lists(st.floats(0.06, 500), min_size=30, max_size=200)


def counted(values) -> np.ndarray:
    return count_scores(np.zeros((1, BINS), np.int64), np.array(values, float)[:, None])[0]


def levels(own: np.ndarray, pool: np.ndarray = NONE) -> np.ndarray:
    out = np.empty(len(PERIODS))
    estimate_levels(own, pool, PRIOR, out)
    return out


@given(score=st.floats(LOWEST, 900))
def test_a_bin_holds_its_scores(score):
    lower = LOWEST * STEP ** (bin_of(score) - 1)
    assert lower * (1 - 1e-9) <= score <= lower * STEP * (1 + 1e-9)


def test_what_is_small_or_unheard_of_has_a_bin_too():
    assert (bin_of(0.0), bin_of(LOWEST / 2), bin_of(1e9)) == (0, 0, BINS - 1)


@settings(max_examples=50)
@given(values=scores)
def test_levels_rise_and_periods_are_their_inverse(values):
    found = levels(counted(values))
    assert (np.diff(found) >= 0).all()
    for period in (5.0, 33.0, 100.0, 3000.0):
        level = level_at(found, period)
        assert period_of(found, level * 1.0001) >= period * 0.9
        if (np.diff(found) > 0).all():
            assert period_of(found, level) == pytest.approx(period, rel=1e-6)
    assert period_of(found, 1e9) == PERIODS[-1]
    assert period_of(found, 0.0) == 1.0


@pytest.mark.parametrize("period", [8, 32, 128])
def test_a_level_is_exceeded_once_in_so_many_sessions(period):
    values = np.random.default_rng(1).pareto(4, 20_000) + 1
    level = level_at(levels(counted(values)), period)
    assert np.mean(values > level) == pytest.approx(1 / period, rel=0.1)


@pytest.mark.parametrize("shape", [0.15, 0.3, 0.5])
def test_beyond_what_was_seen_the_tail_is_that_of_a_pareto_distribution(shape):
    rng = np.random.default_rng(2)
    found = [levels(counted((1 - rng.random(400)) ** -shape)) for _ in range(20)]
    # Quantile 1 - 1/p of this distribution: p^shape. Ten sessions of 400 are the tail that is fitted.
    expected = float(PERIODS[9] ** shape)
    assert np.median([one[9] for one in found]) == pytest.approx(expected, rel=0.3)


def test_few_sessions_that_reached_anything_say_little():
    """Of 40 sessions three opened with a gap at all: what they say is a start, with a heavy tail."""
    found = levels(counted([0.0] * 37 + [0.3, 0.4, 0.5]))
    assert 0.5 < level_at(found, 33.0) < 5.0
    assert level_at(levels(counted([0.0] * 40)), 32.0) == pytest.approx(PRIOR)


def test_of_too_few_sessions_the_rule_says_what_is_rare():
    for own in (counted([3.0] * 29), NONE):
        assert level_at(levels(own), 32.0) == pytest.approx(PRIOR)
        assert period_of(levels(own), PRIOR) == pytest.approx(32)
    assert level_at(levels(counted([3.0] * 30)), 32.0) < PRIOR
    nothing = np.full(len(PERIODS), np.nan)
    assert np.isnan(level_at(nothing, 32.0))
    assert np.isnan(period_of(nothing, 5.0))


def test_a_new_symbol_is_held_against_its_pool_and_an_old_one_against_itself():
    rng = np.random.default_rng(3)
    calm, wild = rng.gamma(4, 0.25, 4000), rng.gamma(4, 1.0, 4000)
    pool = counted(wild)
    new, old = (level_at(levels(counted(calm[:count]), pool), 32.0) for count in (1, 4000))
    alone, pooled = (level_at(levels(counted(values)), 32.0) for values in (calm, wild))
    assert new == pytest.approx(pooled, rel=0.05)
    assert old == pytest.approx(alone, rel=0.1)


def test_the_tenth_worst_day_of_a_decade_is_rare_though_the_ninth_was_last_week():
    calm = np.random.default_rng(4).gamma(4, 0.1, 2500)
    before = levels(counted([*calm, *np.linspace(4, 9, 9)]))
    assert period_of(before, 4.0) > 200
