"""Metrics say what was measured: against windows read bar by bar."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nan
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.metric_records import MEASURES, build_metrics, divide
from include.surveillance.detection.state import State
from tests.surveillance.detection.market import OPEN, SESSIONS, bar, calm, engine, evaluate, profile, run

prices = st.sampled_from([100.0, 100.5, 99.25, 101.0])


@settings(deadline=None, max_examples=30)
@given(
    closes=st.lists(prices, min_size=1, max_size=60),
    volumes=st.lists(st.integers(0, 5000), min_size=60, max_size=60),
    first=st.sampled_from([0, 380, -30]),
)
def test_every_measure_is_of_its_own_window_or_none(closes, volumes, first):
    bars = [bar(first + i, close=close, volume=volumes[i]) for i, close in enumerate(closes)]
    evaluation = evaluate(engine(), State("exact"), bars)
    metrics = build_metrics(evaluation, np.arange(len(bars)))
    returns = [None, *(np.log(now / then) for then, now in pairwise(closes))]
    for i, (metric, it) in enumerate(zip(metrics, bars, strict=True)):
        assert (metric.event_id, metric.bar_event_id) == (f"metric|NVDA|minute|{it.ts_ms}", it.event_id)
        assert (metric.close, metric.volume) == (it.close, float(it.volume))
        assert metric.session_phase == SESSIONS.phase(it.ts_ms)
        assert metric.session_date == SESSIONS.session_date(it.ts_ms)
        window = slice(i - 20, i)
        mean = fmean(volumes[window]) if i >= 20 else None
        assert metric.volume_mean == (None if mean is None else pytest.approx(mean))
        assert metric.volume_ratio == (pytest.approx(volumes[i] / mean) if mean else None)
        assert metric.highest_high == (max(it.high for it in bars[window]) if i >= 20 else None)
        assert metric.lowest_low == (min(it.low for it in bars[window]) if i >= 20 else None)
        assert metric.log_return == (None if i == 0 else pytest.approx(returns[i], abs=1e-15))
        deviation = pytest.approx(stdev(returns[i - 19 : i + 1]), rel=1e-9, abs=1e-12) if i >= 20 else None
        assert metric.return_std == deviation
        assert (metric.rvol, metric.volume_z, metric.gap_range, metric.profile_version) == (None, None, None, None)


def test_metrics_come_in_the_order_that_is_asked_for():
    profiles = [profile()]
    evaluation = evaluate(engine(profiles), State("exact"), [*calm(30), *calm(30, symbol="AMD")])
    index = np.array([45, 3, 30])
    metrics = build_metrics(evaluation, index)
    assert [(metric.symbol, metric.ts_ms) for metric in metrics] == [
        ("AMD", OPEN + 15 * 60_000), ("NVDA", OPEN + 3 * 60_000), ("AMD", OPEN),
    ]  # fmt: skip
    assert [metric.profile_version for metric in metrics] == [None, profiles[0].version, None]
    whole = build_metrics(evaluation, np.arange(60))
    assert metrics == [whole[i] for i in index]
    assert build_metrics(evaluation, index[:0]) == []
    assert {name for name in MEASURES if getattr(whole[29], name) is not None} >= {"rvol", "volume_z", "volume_mean"}


def test_trades_and_the_average_price_are_measured_where_the_vendor_gives_them():
    bars = [bar(0, volume=1000, trades=8, vwap=99.0), bar(1, volume=1000), bar(2, trades=0, vwap=100.0)]
    evaluation = evaluate(engine(), State("exact"), bars)
    metrics = build_metrics(evaluation, np.arange(3))
    assert [metric.trade_size for metric in metrics] == [125.0, None, None]
    assert [metric.vwap_distance for metric in metrics] == [pytest.approx(1 / 99), None, 0.0]


def test_a_corrected_number_of_trades_is_measured_again():
    first, *_, corrected = run([bar(0, trades=8), *calm(5, 1), bar(0, trades=4)]).metrics
    assert (first.trade_size, corrected.trade_size, corrected.ts_ms) == (125.0, 250.0, first.ts_ms)


def test_a_mean_of_nothing_has_no_ratio():
    ratio = divide(np.array([1.0, 5.0, 0.0, 7.0]), np.array([0.0, 2.0, 0.0, nan]))
    assert np.array_equal(ratio, [nan, 2.5, nan, nan], equal_nan=True)
    assert not np.isin(inf, ratio)
