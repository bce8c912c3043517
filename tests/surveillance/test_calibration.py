"""Thresholds from a budget, and two sets of parameters over the same bars."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.calibration import calibrate
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.parameters import Parameters
from include.surveillance.errors import ConfigurationError
from include.surveillance.models import Bar
from include.surveillance.sessions import MINUTE_MS
from include.surveillance.sweeping import Episodes, Statistic
from include.surveillance.whatif import compare, episodes

OPEN = 1_550_154_600_000
MEASURES = ("volume_mean", "return_std", "return_std_p95", "highest_high", "lowest_low", "gap")


def columns(minutes: list[tuple[str, int]]) -> BarColumns:
    return BarColumns.of(
        [
            Bar(
                symbol=symbol,
                timespan="minute",
                ts_ms=OPEN + at * MINUTE_MS,
                open=1,
                high=1,
                low=1,
                close=1,
                volume=1,
            )
            for symbol, at in minutes
        ]
    )


BARS = st.lists(
    st.tuples(
        st.sampled_from("AB"), st.integers(0, 60), st.booleans(), st.sampled_from([-inf, 0.0, 1.0, 2.0, 3.0, inf])
    ),
    unique_by=lambda bar: bar[:2],
    max_size=40,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may hold the processor
@given(BARS, st.sampled_from([0.0, 0.5, 1.0, 2.5]), st.integers(1, 20))
def test_episodes_are_counted_as_one_by_one(bars, threshold, cooldown):
    bars.sort()
    value, side = np.array([bar[3] for bar in bars]), np.array([bar[2] for bar in bars], dtype=bool)
    latest, expected = {}, 0
    for symbol, minute, up, number in bars:
        if number > threshold:
            expected += minute - latest.get((symbol, up), -1000) > cooldown
            latest[symbol, up] = minute
    found = Statistic(value, side)
    assert Episodes(columns([bar[:2] for bar in bars]), found, cooldown).count(threshold) == expected


def swept(ratios: list[float], budget: float, spacing: int = 20):
    bars = columns([("A", at * spacing) for at in range(len(ratios))])
    measures = {name: np.full(len(bars), nan) for name in MEASURES}
    measures["volume_mean"] = 1 / np.array(ratios)
    session, bucket = np.zeros(len(bars), dtype=np.int32), np.zeros(len(bars), dtype=np.int8)
    found = calibrate(bars, measures, session, bucket, form="literal", budget=budget, current={"all": Parameters()})
    return {choice.rule: choice for choice in found}


def test_the_smallest_threshold_that_the_budget_affords():
    choice = swept([1.0, 2.0, 4.0, 8.0, 16.0], budget=2)["abnormal_volume"]
    assert (choice.chosen, choice.chosen_alerts) == (pytest.approx(4.0, rel=0.01), 2)
    assert (choice.field, choice.current, choice.current_alerts, choice.symbol_days) == ("multiple", 3.0, 3, 1)
    counts = dict(zip(choice.curve["threshold"], choice.curve["alerts"], strict=True))
    assert (counts[0.0], counts[3.0], counts[16.0]) == (5, 3, 0)


def test_a_low_threshold_that_merges_everything_into_one_episode_is_not_chosen():
    # One minute apart all five are one episode at 0, but above 1.5 two episodes remain.
    ratios = [2.0] + [1.0] * 30 + [2.0]
    choice = swept(ratios, budget=1, spacing=1)["abnormal_volume"]
    assert choice.chosen == pytest.approx(2.0, rel=0.01)
    assert choice.chosen_alerts == 0


def test_what_cannot_be_judged_gets_no_proposal():
    choices = swept([1.0, 2.0], budget=2)
    assert isnan(choices["price_gap"].chosen)
    assert choices["price_gap"].current_alerts == 0
    without_mean = swept([inf, inf, inf], budget=1)["abnormal_volume"]  # a mean of zero fires at any threshold
    assert isnan(without_mean.chosen)


@pytest.mark.parametrize("budget", [0, -1, nan, inf])
def test_a_budget_must_be_above_zero(budget):
    with pytest.raises(ConfigurationError, match="the budget is"):
        swept([1.0], budget)


def fired(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return episodes(
        pd.DataFrame(
            [
                {
                    "symbol": symbol,
                    "timespan": "minute",
                    "rule": "gap",
                    "direction": "up",
                    "ts_ms": OPEN + at * MINUTE_MS,
                    "episode_start_ms": OPEN + start * MINUTE_MS,
                    "value": float(at),
                    "threshold": 1.0,
                }
                for symbol, at, start in rows
            ],
            columns=["symbol", "timespan", "rule", "direction", "ts_ms", "episode_start_ms", "value", "threshold"],
        )
    )


def test_what_only_one_raises():
    a = fired(("A", 0, 0), ("A", 5, 0), ("A", 100, 100), ("B", 0, 0))
    b = fired(("A", 20, 20), ("A", 200, 200), ("C", 0, 0))
    found = compare(a, b, cooldown_bars=(15, 15), symbol_days=4)
    assert found.only_a[["symbol", "start_ms"]].values.tolist() == [["B", OPEN], ["A", OPEN + 100 * MINUTE_MS]]
    assert found.only_b["symbol"].tolist() == ["C", "A"]
    row = found.rules.iloc[0]
    assert (row["alerts_a"], row["alerts_b"], row["per_day_a"], row["only_a"], row["only_b"]) == (3, 3, 0.75, 2, 2)
    assert a.iloc[0][["firings", "value"]].tolist() == [2, 0.0]


def test_nothing_is_nothing():
    nothing = fired()
    found = compare(nothing, nothing, cooldown_bars=(15, 15), symbol_days=0)
    assert (len(found.rules), len(found.only_a)) == (0, 0)
