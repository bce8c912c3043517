"""Volatility spike: prices move more than this symbol's almost always do."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, sqrt
from operator import mul
from typing import ClassVar

from msgspec import Struct

from .. import words
from .rule import NOT_APPLICABLE, BarView, Firing, Verdict, times_limit


class VolatilitySpike(Struct, frozen=True):
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
    """

    name: ClassVar[str] = "volatility_spike"
    version: ClassVar[int] = 1

    window: int = 20
    percentile: float = 95.0
    minimum_history: int = 100

    def deviation(self, returns: Sequence[float]) -> float | None:
        """Standard deviation (ddof 1) of the last ``window`` returns; None when there are fewer."""
        if len(returns) < self.window:
            return None
        # fsum is exact: equal returns in another order give the same bits, wherever the window lies.
        returns = returns[-self.window :]
        mean = fsum(returns) / self.window
        apart = [value - mean for value in returns]
        return sqrt(fsum(map(mul, apart, apart)) / (self.window - 1))

    def evaluate(self, view: BarView) -> Verdict:
        bar, series, metric = view.bar, view.series, view.metric
        deviation, limit = metric.return_std, metric.return_std_p95
        if deviation is None or limit is None:
            return NOT_APPLICABLE
        if not deviation > limit:
            return None
        return Firing(
            rule=self.name,
            version=self.version,
            ts_ms=bar.ts_ms,
            close_ms=bar.close_ms,
            polled_ms=bar.polled_ms,
            source=bar.source,
            value=deviation,
            threshold=limit,
            baseline=limit,
            window_start_ms=series.ts[-self.window],
            window_end_ms=bar.close_ms,
            exceedance=times_limit(deviation, limit),
            event_ids=(bar.event_id, *series.ids[-self.window :]),
            explanation=(
                f"{bar.symbol} moved by {words.percent(deviation, 3)} per bar (standard deviation of the last "
                f"{self.window} returns) {words.until(bar.timespan, bar.ts_ms, metric.session_date)}, more than "
                f"{words.percent(limit, 3)}, the {self.percentile:g}th percentile of its {view.history_count:,} "
                f"earlier values."
            ),
        )
