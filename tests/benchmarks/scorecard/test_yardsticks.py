"""Yardsticks are what they say, and raise exactly as many alerts as they are asked for."""

from __future__ import annotations

from math import inf, log, log1p, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.detection.columns import BarColumns
from include.surveillance.timespans import MINUTE_MS
from tests.benchmarks.episode_counts import Statistic
from tests.benchmarks.scorecard.yardsticks import LONG_WINDOW, NEEDS, WINDOW, YARDSTICKS, measure_yardsticks, spend

LENGTHS = (150, 40, 20, 1)


def market() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random, code = np.random.default_rng(5), np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.01, len(code))))
    return code, close, random.lognormal(8, 1, len(code)).round()


def faded(values: list[float]) -> tuple[float, float]:
    """Mean and unbiased deviation with weights that fall by 1 - 2 / (span + 1) with each value back in time."""
    weights = [(1 - 2 / (WINDOW + 1)) ** back for back in range(len(values))][::-1]
    total, squares = sum(weights), sum(weight**2 for weight in weights)
    mean = sum(weight * value for weight, value in zip(weights, values, strict=True)) / total
    spread = sum(weight * (value - mean) ** 2 for weight, value in zip(weights, values, strict=True)) / total
    return mean, sqrt(spread / (1 - squares / total**2))


def slowly(close: list[float], volume: list[float], at: int) -> dict[str, float]:
    """Every yardstick at the last of the first ``at + 1`` bars of one series."""
    returns = [log(close[i]) - log(close[i - 1]) for i in range(1, at + 1)]
    found = dict.fromkeys(YARDSTICKS, -inf)
    if at >= WINDOW:
        before = volume[at - WINDOW : at]
        found["volume / mean"] = volume[at] / (sum(before) / WINDOW)
        mean, deviation = faded([log1p(shares) for shares in volume[:at]])
        found["EWMA z, volume"] = (log1p(volume[at]) - mean) / deviation
    if at > WINDOW:
        *earlier, now = returns
        mean, deviation = faded(earlier)
        found["EWMA z, return"] = abs(now - mean) / deviation
        recent = earlier[-WINDOW:]
        mean = sum(recent) / WINDOW
        found["3 sigma, return"] = abs(now - mean) / sqrt(sum((one - mean) ** 2 for one in recent) / (WINDOW - 1))
        long = earlier[-LONG_WINDOW:]
        found["raw return"] = abs(now) / sqrt(sum(one**2 for one in long) / len(long))
    return found


def test_yardsticks_are_those_of_plain_loops():
    code, close, volume = market()
    measured = measure_yardsticks(code, close, volume)
    assert list(measured) == list(YARDSTICKS)
    for series in range(len(LENGTHS)):
        own = code == series
        for at in range(LENGTHS[series]):
            expected = slowly(close[own].tolist(), volume[own].tolist(), at)
            found = {name: one.value[own][at] for name, one in measured.items()}
            assert found == pytest.approx(expected, rel=1e-6), (series, at)


def test_every_yardstick_is_known_from_the_bars_that_it_needs_on():
    code, close, volume = market()
    place = np.concatenate([np.arange(length) for length in LENGTHS])
    for name, one in measure_yardsticks(code, close, volume).items():
        assert np.isfinite(one.value[place >= NEEDS]).all(), name
        assert np.isneginf(one.value[place < WINDOW]).all(), name


def test_what_comes_later_changes_nothing():
    code, close, volume = market()
    changed = close.copy(), volume.copy()
    for one in changed:
        one[100:150] *= 3
    before, after = measure_yardsticks(code, close, volume), measure_yardsticks(code, *changed)
    for name in YARDSTICKS:
        assert (before[name].value[:100] == after[name].value[:100]).all()
        assert before[name].value[100] != after[name].value[100], name


def test_a_series_in_which_nothing_moves_has_no_deviation_to_go_by():
    measured = measure_yardsticks(np.zeros(60, dtype=int), np.full(60, 9.99), np.full(60, 100.0))
    assert np.isneginf([measured[name].value for name in YARDSTICKS if name != "volume / mean"]).all()
    assert measured["volume / mean"].value[-1] == 1


def bars_of(code: np.ndarray) -> BarColumns:
    count = len(code)
    columns = dict.fromkeys(("open", "high", "low", "close", "volume"), np.ones(count))
    return BarColumns(
        keys=[(f"S{number}", "minute") for number in range(int(code.max()) + 1)], code=code.astype(np.int32),
        ts=MINUTE_MS * np.arange(count, dtype=np.int64), **columns, revision=np.zeros(count, np.uint32),
        polled=np.zeros(count, np.int64), live=np.zeros(count, bool),
    )  # fmt: skip


# Few values, so that many are equal.
@given(st.data())
def test_equal_budgets_are_equal(data):
    values = data.draw(st.lists(st.sampled_from([-inf, 0.5, 1.0, 2.0, 3.0, 7.0]), min_size=1, max_size=60))
    sides = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    code = np.sort(data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))))
    bars, statistic = bars_of(code), Statistic(np.array(values), np.array(sides))
    cooldown_bars, alerts = data.draw(st.integers(0, 4)), data.draw(st.integers(0, len(values)))
    order = [bar for bar in sorted(range(len(values)), key=lambda bar: -values[bar]) if values[bar] > -inf]
    counts = [count_slowly(order[:used], code, sides, cooldown_bars) for used in range(len(order) + 1)]
    if alerts > max(counts):
        with pytest.raises(ValueError, match=f"cannot raise {alerts} alerts"):
            spend(bars, statistic, alerts, cooldown_bars=cooldown_bars)
        return
    spending = spend(bars, statistic, alerts, cooldown_bars=cooldown_bars)
    used = counts.index(alerts)
    assert len({*spending.bars.tolist()}) == len(spending.bars) == alerts
    assert {*spending.bars.tolist()} <= {*order[:used]}
    assert spending.threshold == (values[order[used - 1]] if used else inf)


def count_slowly(fired: list[int], code: np.ndarray, sides: list[bool], cooldown_bars: int) -> int:
    """Count episodes bar by bar; the bars of a test are a minute apart."""
    last: dict[tuple[int, bool], int] = {}
    episodes = 0
    for bar in sorted(fired):
        series = int(code[bar]), sides[bar]
        episodes += series not in last or bar - last[series] > cooldown_bars
        last[series] = bar
    return episodes


def test_an_alert_is_where_its_episode_begins():
    values = np.array([0.0, 5.0, 6.0, 0.0, 0.0, 0.0, 4.0, 9.0])
    statistic = Statistic(values, np.zeros(8, dtype=bool))
    spending = spend(bars_of(np.zeros(8, dtype=int)), statistic, 2, cooldown_bars=2)
    assert (spending.bars.tolist(), spending.threshold) == ([2, 7], 6.0)
    with pytest.raises(ValueError, match="cannot raise 8 alerts"):
        spend(bars_of(np.zeros(8, dtype=int)), statistic, 8, cooldown_bars=2)
