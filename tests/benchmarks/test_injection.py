"""Bursts lie where the labels say, nowhere else, and the same seed gives the same bursts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.surveillance.errors import ConfigurationError
from tests.benchmarks.injection import SPACING_MS, inject_bursts

MINUTE = 60_000
OPEN = pd.Timestamp("2023-01-03 09:30", tz="America/New_York").value // 1_000_000


def recorded(step: int = 1) -> pd.DataFrame:
    """Two symbols, two days; the second symbol has a bar in one minute of seven."""
    parts = []
    for symbol, every in (("AAPL", 1), ("UGA", 7)):
        for day in range(2):
            minutes = np.arange(0, 390, step * every)
            ts = OPEN + (day * 1440 + minutes) * MINUTE
            parts.append(pd.DataFrame({"symbol": symbol, "ts_ms": ts, "volume": 100.0 + minutes}))
    bars = pd.concat(parts, ignore_index=True)
    bars["close"], bars["timespan"] = 10.0, "minute" if step == 1 else f"{step}minute"
    return bars


def test_exactly_the_labelled_bars_are_multiplied():
    bars = recorded()
    injected, labels = inject_bursts(bars, seed=1, per_symbol_day=3)
    expected = bars["volume"].copy()
    for label in labels.itertuples():
        assert label.kind == "abnormal_volume"
        assert label.multiple in (3, 5, 8)
        inside = (bars["symbol"] == label.symbol) & bars["ts_ms"].between(label.start_ms, label.end_ms)
        assert inside.any()
        assert label.end_ms - label.start_ms < 10 * MINUTE
        expected[inside] *= label.multiple
    pd.testing.assert_series_equal(injected["volume"], expected)
    pd.testing.assert_frame_equal(injected.drop(columns="volume"), bars.drop(columns="volume"))


def test_few_and_well_apart():
    _, labels = inject_bursts(recorded(), seed=2, per_symbol_day=5, multiples=(4,))
    day = (labels["start_ms"] - OPEN) // (1440 * MINUTE)
    counts = labels.groupby(["symbol", day]).size()
    assert len(counts) == 4
    assert counts.max() <= 5
    for _, starts in labels.sort_values("start_ms").groupby(["symbol", day])["start_ms"]:
        # A label starts at the first bar of its burst, up to a burst's length after the time drawn.
        assert (starts.diff().dropna() > SPACING_MS - 10 * MINUTE).all()


def test_same_seed_same_bursts_whatever_else_is_recorded():
    bars = recorded()
    _, labels = inject_bursts(bars, seed=3, per_symbol_day=2)
    again = inject_bursts(bars[bars["symbol"] == "AAPL"].sample(frac=1, random_state=0), seed=3, per_symbol_day=2)[1]
    alone = labels[labels["symbol"] == "AAPL"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, alone)
    assert not inject_bursts(bars, seed=4, per_symbol_day=2)[1].equals(labels)


def test_bursts_cover_the_session():
    starts = [
        (inject_bursts(recorded(), seed=seed, per_symbol_day=1)[1]["start_ms"] - OPEN) // MINUTE % 1440
        for seed in range(100)
    ]
    quarters = np.bincount(pd.concat(starts).to_numpy() * 4 // 390, minlength=4)
    assert quarters.min() > 0.15 * quarters.sum()


def test_a_bar_longer_than_the_burst_is_multiplied_whole():
    injected, labels = inject_bursts(recorded(15), seed=1, per_symbol_day=1, multiples=(8,))
    assert (labels["start_ms"] == labels["end_ms"]).all()
    assert (injected["volume"] / recorded(15)["volume"]).value_counts()[8.0] == len(labels)


def test_no_bars_no_bursts_and_mixed_bars_are_refused():
    injected, labels = inject_bursts(recorded().iloc[:0], seed=1, per_symbol_day=1)
    assert injected.empty
    assert list(labels) == ["symbol", "start_ms", "end_ms", "kind", "multiple"]
    with pytest.raises(ConfigurationError, match="15minute, minute"):
        inject_bursts(pd.concat([recorded(), recorded(15)]), seed=1, per_symbol_day=1)
