"""What the robust volume rule is for: at the same number of alerts it detects more bursts than the literal ratio."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.surveillance.sessions import Sessions
from tests.benchmarks import bursts
from tests.benchmarks.recall import BUDGET, FILES, MULTIPLES, count
from tests.paths import SHARED_DATA

SEED = 2019  # none of those that the benchmark reports
SYMBOLS = 10  # of the 15-minute file: half of it, for time


@pytest.fixture(scope="module")
def measured() -> dict[str, bursts.Bursts]:
    missing = [name for name in FILES if not (SHARED_DATA / f"{name}.parquet").exists()]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in {SHARED_DATA}; set SHARED_DATA to the folder of sample bars")
    sessions, files = Sessions("XNYS"), {}
    for name in FILES:
        bars = pd.read_parquet(SHARED_DATA / f"{name}.parquet")
        if name == "minute15_2019":
            bars = bars[bars["symbol"].isin(sorted(set(bars["symbol"]))[:SYMBOLS])]
        files[name] = bursts.measure(bars, sessions, seeds=[SEED], multiples=MULTIPLES)
    return files


def test_robust_volume_finds_three_times_the_bursts_of_the_literal_ratio(measured):
    counts = count(bursts.hits(measured, bursts.own_thresholds(measured, BUDGET)))
    assert counts["bursts"] > 1500
    # Each form detects some, or a ratio says nothing.
    assert counts["found"]["literal"] > 100
    assert counts["found"]["robust"] >= 3 * counts["found"]["literal"], counts
    # The level of the day and the dispersion add to knowing the time of day.
    assert counts["found"]["robust"] >= 1.1 * counts["found"][bursts.RVOL], counts


def test_no_method_has_more_than_the_budget_and_none_leaves_any(measured):
    for name, one in measured.items():
        for method in bursts.METHODS:
            chosen, episodes = bursts.threshold([one.quiet], method, BUDGET), one.quiet.episodes(method)
            affordable, values = BUDGET * one.quiet.symbol_days, one.quiet.statistics[method].value
            assert episodes.count(chosen) <= affordable, (name, method)
            assert episodes.count(values[values < chosen].max()) > affordable, (name, method)


def test_every_method_is_judged_on_the_same_symbol_days(measured):
    for one in measured.values():
        assert 0 < one.quiet.judged.sum() < len(one.quiet.bars)
        for method in bursts.METHODS:
            assert np.isneginf(one.quiet.statistics[method].value[~one.quiet.judged]).all()
