"""Abnormal volume: far more shares than just before."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.detection import windows
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.rules.bar_rule import Fired, Firing, Limits, LiteralRule, Structural, times_limit
from include.surveillance.detection.scan import Scan


class LiteralAbnormalVolume(LiteralRule, frozen=True):
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

    name = "abnormal_volume"
    version = 1
    threshold = "multiple"
    reported = ("volume_mean",)
    rests_on = ("volume_mean",)

    window: Structural[int] = 20
    multiple: float = 3.0

    @property
    def context(self) -> int:
        return self.window

    def measure(self, scan: Scan) -> None:
        mean = scan.unset_measure("volume_mean", "shares", self.window)
        windows.means_before(scan.volume, scan.segments, self.window, mean)
        scan.reset_windows(self.window, mean)

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        mean, multiple = scan.measures["volume_mean"], limits("multiple")
        index = np.flatnonzero(scan.volume > multiple * mean)
        value, mean = (scan.shares_today(volumes[index], index) for volumes in (scan.volume, mean))
        limit = multiple[index] * mean
        yield Fired(index, value, limit, mean, times_limit(value, limit))

    def statistic(self, evaluation: Evaluation) -> np.ndarray:
        return evaluation.bars.volume / evaluation.measures["volume_mean"]

    def sentence(self, firing: Firing) -> str:
        shares, mean, threshold = wording.numbers(firing.value, firing.baseline, firing.threshold)
        ratio = firing.value / firing.baseline if firing.baseline else 0.0
        times, allowed = wording.numbers(ratio, firing.limits("multiple"))
        return (
            f"{firing.symbol} traded {shares} shares "
            f"{wording.during(firing.timespan, firing.ts_ms, firing.session_date)}, "
            f"{f'{times} times' if ratio else 'against'} the mean of the {self.window} previous bars ({mean}); "
            f"the limit is {allowed} times ({threshold})."
        )
