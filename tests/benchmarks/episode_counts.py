"""The statistic of a volume rule, and how many episodes any threshold on it would make."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.timespans import SPAN_MS


@dataclass(frozen=True)
class Statistic:
    """What a rule holds against its threshold, per bar: it fires where the value is greater. -inf: cannot fire.

    ``side`` parts the episodes of the two directions; zeros where the rule has one.
    """

    value: np.ndarray
    side: np.ndarray


def literal_volume(evaluation: Evaluation) -> Statistic:
    """Return volume over the mean of the bars before."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return _one_sided(evaluation.bars.volume / evaluation.measures["volume_mean"])


def robust_volume(evaluation: Evaluation, parameters: Parameters) -> Statistic:
    """Return z where the rule's other conditions hold."""
    rule, measures = parameters.robust.abnormal_volume, evaluation.measures
    allowed = (measures["rvol"] > rule.rvol) & (measures["recent_volume"] * evaluation.bars.close > rule.turnover_floor)
    return _one_sided(np.where(allowed, measures["volume_z"], -inf))


class Episodes:
    """Counts the episodes that any threshold would make: firings of one side at most a cooldown apart are one."""

    def __init__(self, bars: BarColumns, statistic: Statistic, cooldown_bars: int):
        spans = np.array([SPAN_MS[timespan] for _, timespan in bars.keys], dtype=np.int64)
        # Stable, so that bars stay in order within a series and side.
        order = np.argsort(bars.code.astype(np.int64) * 2 + statistic.side, kind="stable")
        self._bar = order = order[statistic.value[order] > -inf]
        self._value, self._ts = statistic.value[order], bars.ts[order]
        self._series = bars.code[order].astype(np.int64) * 2 + statistic.side[order]
        self._apart = spans[bars.code[order]] * cooldown_bars

    def begin(self, threshold: float) -> np.ndarray:
        """Return the bars at which the episodes begin, by series and side."""
        fires = np.flatnonzero(self._value > threshold)
        ts, series = self._ts[fires], self._series[fires]
        begins = np.ones(len(fires), dtype=bool)
        begins[1:] = (series[1:] != series[:-1]) | (ts[1:] - ts[:-1] > self._apart[fires[1:]])
        return self._bar[fires[begins]]

    def count(self, threshold: float) -> int:
        return len(self.begin(threshold))


def _one_sided(value: np.ndarray) -> Statistic:
    return Statistic(np.where(np.isnan(value), -inf, value), np.zeros(len(value), dtype=bool))
