"""Yardsticks: the rules that anybody writes first, which the product is held against at an equal number of alerts."""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from math import inf
from typing import NamedTuple

import numpy as np
import pandas as pd

from include.surveillance.detection.columns import BarColumns
from include.surveillance.timespans import SPAN_MS
from tests.benchmarks.episode_counts import Episodes, Statistic

WINDOW, LONG_WINDOW = 20, 60
NEEDS = WINDOW + 1
"""Bars before one that every yardstick knows: so many returns need one bar more."""
YARDSTICKS = {
    "volume / mean": f"volume over the mean of the {WINDOW} bars before; 3 is the usual limit",
    "EWMA z, volume": "z of ln(1 + volume) against an exponentially weighted mean and deviation of the bars before "
    f"(span {WINDOW})",
    "EWMA z, return": "the same of the log return from close to close, of either sign",
    "3 sigma, return": f"distance of the log return from the mean of the {WINDOW} before, in their standard "
    "deviations; 3 is the usual limit",
    "raw return": f"absolute log return over the root mean square of up to {LONG_WINDOW} before: what a return says "
    "with the market in it",
}
"""Name -> what it holds against its threshold."""
_STILL = 1e-9  # a deviation below is rounding: nothing has moved


class Spending(NamedTuple):
    """The bars at which the alerts of a yardstick begin, and the least value that fires."""

    bars: np.ndarray
    threshold: float


def measure_yardsticks(code: np.ndarray, close: np.ndarray, volume: np.ndarray) -> dict[str, Statistic]:
    """Measure every yardstick at every bar, from the bar and earlier ones of its series.

    Args:
        code, close, volume: per bar, sorted by series and time.

    Returns:
        Name -> statistic, -inf where it is not known. Returns have two sides.
    """
    bars = pd.DataFrame({"volume": volume, "size": np.log1p(volume), "close": np.log(close)})
    bars["return"] = bars["close"].groupby(code).diff()
    earlier = bars.groupby(code).shift(1)
    recent = earlier.groupby(code).rolling(WINDOW)
    mean, deviation = recent.mean(), recent.std()
    faded = earlier.groupby(code).ewm(span=WINDOW, min_periods=WINDOW)
    faded_mean, faded_deviation = faded.mean(), faded.std()
    squares = (earlier["return"] ** 2).groupby(code).rolling(LONG_WINDOW, min_periods=WINDOW).mean()
    returns = bars["return"].to_numpy()
    sides = {
        "volume / mean": (volume, 0.0, mean["volume"]),
        "EWMA z, volume": (bars["size"], faded_mean["size"], faded_deviation["size"]),
        "EWMA z, return": (np.abs(returns - faded_mean["return"].to_numpy()), 0.0, faded_deviation["return"]),
        "3 sigma, return": (np.abs(returns - mean["return"].to_numpy()), 0.0, deviation["return"]),
        "raw return": (np.abs(returns), 0.0, np.sqrt(squares)),
    }
    down, none = returns < 0, np.zeros(len(returns), dtype=bool)
    return {name: Statistic(_over(*parts), down if name.endswith("return") else none) for name, parts in sides.items()}


def spend(bars: BarColumns, statistic: Statistic, alerts: int, *, cooldown_bars: int) -> Spending:
    """Lower the threshold of a yardstick until it raises exactly so many alerts.

    Of equal values the first fire first: each bar more begins one episode at most, so that no number is passed over.

    Args:
        cooldown_bars: firings of one side at most so far apart are one alert.

    Raises:
        ValueError: there are not so many.
    """
    order = np.argsort(-statistic.value, kind="stable")
    order = order[statistic.value[order] > -inf]
    fired: dict[tuple[int, bool], list[int]] = defaultdict(list)
    begun = used = 0
    while begun < alerts:
        if used == len(order):
            raise ValueError(f"the bars cannot raise {alerts:,} alerts that are {cooldown_bars} bars apart")
        bar = int(order[used])
        code, ts = int(bars.code[bar]), int(bars.ts[bar])
        times, apart = fired[code, bool(statistic.side[bar])], cooldown_bars * SPAN_MS[bars.keys[code][1]]
        at = bisect(times, ts)
        left, right = at > 0 and ts - times[at - 1] <= apart, at < len(times) and times[at] - ts <= apart
        # Between two firings of one episode there is nothing to join.
        joins = left + right - (left and right and times[at] - times[at - 1] <= apart)
        times.insert(at, ts)
        begun, used = begun + 1 - joins, used + 1
    place = np.full(len(statistic.value), -inf)
    place[order] = -np.arange(len(order))
    begin = Episodes(bars, Statistic(place, statistic.side), cooldown_bars).begin(-used)
    return Spending(begin, float(statistic.value[order[used - 1]]) if used else inf)


def _over(value: np.ndarray, usual: pd.Series | float, scale: pd.Series) -> np.ndarray:
    scale = np.asarray(scale, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        over = (np.asarray(value, dtype=float) - np.asarray(usual, dtype=float)) / scale
    return np.where((scale > _STILL) & ~np.isnan(over), over, -inf)
