"""Abnormal volume: far more shares than just before."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import ClassVar

from msgspec import Struct

from .. import words
from .rule import NOT_APPLICABLE, BarView, Firing, Verdict, times_limit


class AbnormalVolume(Struct, frozen=True):
    """A bar's volume is greater than 3 times the mean volume of the 20 previous bars.

    The 20 are the previous bars that exist: a minute without trades has no bar and does not count as zero. Bars of
    all hours count, over session borders. The current bar is not part of its own mean.

    Example: the 20 previous minutes traded 10,020 shares on average and this one 84,210. 84,210 > 3 x 10,020 =
    30,060, so the rule fires with value 84,210, baseline 10,020 and threshold 30,060.

    Warm-up: not applicable before 20 previous bars. A mean of zero: any volume above zero fires.
    Exceedance: volume / threshold.

    Attributes:
        window: previous bars in the mean.
        multiple: times the mean that a bar may trade.
    """

    name: ClassVar[str] = "abnormal_volume"
    version: ClassVar[int] = 1

    window: int = 20
    multiple: float = 3.0

    def baseline(self, volumes: Sequence[float]) -> float | None:
        """Mean of the last ``window`` of the previous volumes, in shares; None when there are fewer."""
        if len(volumes) < self.window:
            return None
        return fsum(volumes[-self.window :]) / self.window

    def evaluate(self, view: BarView) -> Verdict:
        bar, series, mean = view.bar, view.series, view.metric.volume_mean
        if mean is None:
            return NOT_APPLICABLE
        volume, threshold = view.metric.volume, self.multiple * mean
        if not volume > threshold:
            return None
        times = f"{volume / mean:,.1f} times " if mean else "against "
        return Firing(
            rule=self.name,
            version=self.version,
            ts_ms=bar.ts_ms,
            close_ms=bar.close_ms,
            polled_ms=bar.polled_ms,
            source=bar.source,
            value=volume,
            threshold=threshold,
            baseline=mean,
            window_start_ms=series.ts[-self.window],
            window_end_ms=bar.ts_ms,
            exceedance=times_limit(volume, threshold),
            event_ids=(bar.event_id, *series.ids[-self.window :]),
            explanation=(
                f"{bar.symbol} traded {words.shares(volume)} shares "
                f"{words.during(bar.timespan, bar.ts_ms, view.metric.session_date)}, {times}the mean of the "
                f"{self.window} previous bars ({words.shares(mean)}); the limit is {self.multiple:g} times."
            ),
        )
