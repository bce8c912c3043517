"""What a rule holds against its threshold, bar by bar, and how many episodes any threshold would make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np

from .detection.columns import BarColumns
from .detection.parameters import Form
from .models import SPAN_MS

DIRECTED = ("price_breakout", "price_gap")
Measures = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Statistic:
    """What a rule holds against its threshold, per bar: it fires where the value is greater. -inf: cannot fire.

    ``side`` parts the episodes of the two directions; zeros where the rule has one.
    """

    value: np.ndarray
    side: np.ndarray


def statistic(rule: str, form: Form, parameters: Any, bars: BarColumns, measures: Measures) -> Statistic:
    """A rule's statistic, apart from the threshold that is swept; its other conditions as in ``parameters``."""
    rule_parameters = getattr(parameters, rule)
    with np.errstate(divide="ignore", invalid="ignore"):
        value, allowed = _STATISTICS[form, rule](bars, measures, rule_parameters)
        side = np.signbit(value) if rule in DIRECTED else np.zeros(len(value), dtype=bool)
        value = np.where(allowed & ~np.isnan(value), np.abs(value) if rule in DIRECTED else value, -inf)
    return Statistic(value, side)


class Episodes:
    """Counts the episodes that any threshold would make: firings of one side at most a cooldown apart are one."""

    def __init__(self, bars: BarColumns, found: Statistic, cooldown_bars: int):
        spans = np.array([SPAN_MS[timespan] for _, timespan in bars.keys], dtype=np.int64)
        # Stable, so that bars stay in order within a series and side.
        order = np.argsort(bars.code.astype(np.int64) * 2 + found.side, kind="stable")
        order = order[found.value[order] > -inf]
        self._value, self._ts = found.value[order], bars.ts[order]
        self._series = bars.code[order].astype(np.int64) * 2 + found.side[order]
        self._apart = spans[bars.code[order]] * cooldown_bars

    def count(self, threshold: float) -> int:
        fires = np.flatnonzero(self._value > threshold)
        if not len(fires):
            return 0
        ts, series = self._ts[fires], self._series[fires]
        starts = (series[1:] != series[:-1]) | (ts[1:] - ts[:-1] > self._apart[fires[1:]])
        return 1 + int(np.count_nonzero(starts))


def _volume_literal(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    ratio = bars.volume / measures["volume_mean"]
    return ratio, np.ones(len(ratio), dtype=bool)


def _volume_robust(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    allowed = (measures["rvol"] > rule.rvol) & (measures["recent_volume"] * bars.close > rule.turnover_floor)
    return measures["volume_z"], allowed


def _volatility_literal(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    return measures["return_std"] / measures["return_std_p95"], np.ones(len(bars), dtype=bool)


def _volatility_robust(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    # As many bars in a row: the least of them decides.
    ratio = measures["volatility_ratio"]
    least = ratio.copy()
    for back in range(1, rule.persistence):
        least[back:] = np.minimum(least[back:], ratio[:-back])
        least[back:][bars.code[back:] != bars.code[:-back]] = nan
        least[:back] = nan
    return least, np.ones(len(least), dtype=bool)


def _breakout_literal(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    highest, lowest = measures["highest_high"], measures["lowest_low"]
    beyond = np.where(
        bars.close > highest, bars.close - highest, np.where(bars.close < lowest, bars.close - lowest, nan)
    )
    return beyond / (highest - lowest), np.ones(len(beyond), dtype=bool)


def _breakout_robust(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    distance = measures["breakout_atr"]
    return np.where(distance == 0, nan, distance), measures["rvol"] >= rule.minimum_rvol


def _gap_literal(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    return measures["gap"], np.ones(len(bars), dtype=bool)


def _gap_robust(bars: BarColumns, measures: Measures, rule: Any) -> tuple[np.ndarray, np.ndarray]:
    return measures["gap_range"], np.abs(np.log(bars.open / measures["session_close"])) >= rule.minimum


_STATISTICS = {
    ("literal", "abnormal_volume"): _volume_literal,
    ("literal", "volatility_spike"): _volatility_literal,
    ("literal", "price_breakout"): _breakout_literal,
    ("literal", "price_gap"): _gap_literal,
    ("robust", "abnormal_volume"): _volume_robust,
    ("robust", "volatility_spike"): _volatility_robust,
    ("robust", "price_breakout"): _breakout_robust,
    ("robust", "price_gap"): _gap_robust,
}
