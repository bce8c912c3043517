"""Volatility spike: prices move more than this symbol's almost always do."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.detection import windows
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.rules.bar_rule import Fired, Firing, Limits, LiteralRule, Structural, times_limit
from include.surveillance.detection.scan import Scan


class LiteralVolatilitySpike(LiteralRule, frozen=True):
    """The standard deviation of the last 20 one-bar log returns is above the 95th percentile of its earlier values.

    A log return is ln(close / previous close) over bars that exist, over session borders. The standard deviation
    divides by n - 1. The percentile is of the same symbol's strictly earlier values of this very statistic, with
    linear interpolation between neighbours, once there are at least 100 of them.

    Example: 120 earlier values have their 95th percentile at 0.00080; the last 20 returns now have a standard
    deviation of 0.00120. 0.00120 > 0.00080, so the rule fires with value 0.00120 and threshold 0.00080.

    Warm-up: the statistic needs 21 bars, the percentile 100 earlier statistics, so not applicable before bar 121.
    Zero variance: a price that does not move has a standard deviation of 0, which counts as a value and never fires;
    the first movement after an all-flat history is above a percentile of 0 and fires.
    Exceedance: standard deviation / percentile.

    Attributes:
        window: returns in the standard deviation.
        percentile: of the earlier values, in percent.
        minimum_history: earlier values needed.
        multiple: times the percentile that is tolerated; 1 is the rule as written above.
    """

    name = "volatility_spike"
    version = 1
    threshold = "multiple"
    reported = ("log_return", "return_std", "return_std_p95")
    rests_on = ("return_std",)

    window: Structural[int] = 20
    percentile: Structural[float] = 95.0
    minimum_history: Structural[int] = 100
    multiple: float = 1.0

    @property
    def context(self) -> int:
        return self.window

    def measure(self, scan: Scan) -> None:
        returns, deviation = scan.unset_measure("log_return"), scan.unset_measure("return_std", "", self.window)
        windows.log_returns(scan.close, scan.segments, returns)
        windows.deviations(returns, scan.segments, self.window, deviation)
        scan.reset_windows(self.window, deviation)
        # The percentile's history goes on when windows restart.
        scan.measures["return_std_p95"] = scan.history.percentile(
            deviation, scan.segments, self.percentile, self.minimum_history
        )

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        deviation, percentile = scan.measures["return_std"], scan.measures["return_std_p95"]
        multiple = limits("multiple")
        index = np.flatnonzero(deviation > multiple * percentile)
        value, base = deviation[index], percentile[index]
        limit = multiple[index] * base
        yield Fired(index, value, limit, base, times_limit(value, limit))

    def statistic(self, evaluation: Evaluation) -> np.ndarray:
        return evaluation.measures["return_std"] / evaluation.measures["return_std_p95"]

    def sentence(self, firing: Firing) -> str:
        moved, limit, percentile = wording.percents(firing.value, firing.threshold, firing.baseline)
        (multiple,) = wording.numbers(firing.limits("multiple"))
        allowed = limit if multiple == "1" else f"{limit}, {multiple} times {percentile}"
        return (
            f"{firing.symbol} moved by {moved} per bar (standard deviation of the last {self.window} returns) "
            f"{wording.until(firing.timespan, firing.ts_ms, firing.session_date)}, more than {allowed}, the "
            f"{self.percentile:g}th percentile of its earlier values."
        )
