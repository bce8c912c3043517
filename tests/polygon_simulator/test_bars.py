"""Columns of bars: longer ones against pandas, splits, JSON rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.polygon_simulator.bars import Bars, concatenate
from tests.polygon_simulator.constants import MINUTE, NOON


@st.composite
def minutes(draw: st.DrawFn, most: int = 40) -> Bars:
    """Minutes in order, some missing; prices with two digits, so that sums are exact enough to compare."""
    starts = sorted(draw(st.sets(st.integers(0, 200), min_size=1, max_size=most)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    body, reach = rng.integers(1_000, 9_000, (2, len(starts))) / 100, rng.integers(0, 100, (2, len(starts))) / 100
    return Bars(
        t=NOON + MINUTE * np.array(starts, dtype=np.int64),
        o=body[0],
        h=body.max(0) + reach[0],
        l=body.min(0) - reach[1],
        c=body[1],
        v=rng.integers(0, 5_000, len(starts)).astype(float),
        vw=body.mean(0),
        n=rng.integers(1, 99, len(starts)).astype(float),
    )


@given(minutes(), st.integers(1, 60))
def test_longer_bars_are_those_of_pandas(bars: Bars, width: int):
    keys = bars.t // (width * MINUTE)
    ours = bars.grouped(keys)
    table = pd.DataFrame(vars(bars)).assign(turnover=bars.vw * bars.v)
    theirs = table.groupby(keys).agg({"t": "first", "o": "first", "h": "max", "l": "min", "c": "last", "v": "sum"})
    for name in theirs:
        np.testing.assert_allclose(getattr(ours, name), theirs[name])
    sums = table.groupby(keys)[["turnover", "v", "n"]].sum()
    np.testing.assert_allclose(ours.n, sums["n"])
    expected = (sums["turnover"] / sums["v"]).where(sums["v"] > 0)
    np.testing.assert_allclose(ours.vw, expected, atol=1e-4)


@given(minutes(), st.integers(0, 210), st.integers(0, 210))
def test_between_is_half_open(bars: Bars, start: int, end: int):
    chosen = bars.between(NOON + start * MINUTE, NOON + end * MINUTE)
    assert chosen.t.tolist() == [t for t in bars.t.tolist() if NOON + start * MINUTE <= t < NOON + end * MINUTE]


@given(minutes(), st.sampled_from([0.5, 2.0]))
def test_a_split_keeps_shares_whole_and_the_value_of_what_was_traded(bars: Bars, price: float):
    scaled = bars.scaled(price)
    assert (scaled.v % 1 == 0).all()
    np.testing.assert_allclose(scaled.c, bars.c * price)
    # A share is rounded up at most.
    assert (scaled.v * scaled.c >= bars.v * bars.c - 1e-6).all()
    assert (scaled.v * scaled.c <= bars.v * bars.c + scaled.c + 1e-6).all()
    assert bars.scaled(1.0) is bars


def test_rows_leave_out_what_is_unknown():
    one, nan = np.array([1.5]), np.array([np.nan])
    known = Bars(np.array([NOON]), one, one, one, one, one, one, np.array([3.0]))
    unknown = Bars(np.array([NOON]), one, one, one, one, one, nan, nan)
    assert known.rows() == [{"v": 1.5, "vw": 1.5, "o": 1.5, "c": 1.5, "h": 1.5, "l": 1.5, "t": NOON, "n": 3}]
    assert unknown.rows() == [{"v": 1.5, "o": 1.5, "c": 1.5, "h": 1.5, "l": 1.5, "t": NOON}]


@given(minutes(), st.integers(0, 40))
def test_parts_join_to_the_whole(bars: Bars, cut: int):
    joined = concatenate([bars.at(slice(cut)), bars.at(slice(cut, None))])
    assert joined.rows() == bars.rows()


@pytest.mark.parametrize("empty", [concatenate([]), concatenate([]).grouped(np.empty(0))])
def test_no_bars_are_no_rows(empty: Bars):
    assert (len(empty), empty.rows()) == (0, [])
