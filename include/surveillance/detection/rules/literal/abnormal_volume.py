"""Abnormal volume: far more shares than just before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from msgspec import Struct

from include.surveillance.alerts import wording
from include.surveillance.detection import windows
from include.surveillance.detection.rules.bar_rule import VOLUME, Fired, Firing, pick, times_limit
from include.surveillance.detection.scan import Scan


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
    form: ClassVar[str] = "literal"
    version: ClassVar[int] = 1

    window: int = 20
    multiple: float = 3.0

    def measure(self, scan: Scan) -> None:
        mean = scan.blank("volume_mean")
        windows.means_before(scan.volume, scan.segments, self.window, mean)
        if scan.session_reset:
            windows.forget_across(scan.positions.date, scan.segments, self.window, mean)

    def judge(self, scan: Scan) -> Iterable[Fired]:
        mean, multiple = scan.measures["volume_mean"], scan.limit(self.form, self.name, "multiple")
        index = np.flatnonzero(scan.volume > multiple * mean)
        value, mean = (scan.shares_today(volumes[index], index) for volumes in (scan.volume, mean))
        limit = pick(multiple, index) * mean
        yield Fired(VOLUME, index, value, limit, mean, times_limit(value, limit))

    def sentence(self, firing: Firing) -> str:
        mean, limit = firing.baseline, firing.threshold / firing.baseline if firing.baseline else self.multiple
        times = f"{firing.value / mean:,.1f} times " if mean else "against "
        return (
            f"{firing.symbol} traded {wording.shares(firing.value)} shares "
            f"{wording.during(firing.timespan, firing.ts_ms, firing.session_date)}, {times}the mean of the "
            f"{self.window} previous bars ({wording.shares(mean)}); the limit is {limit:.3g} times."
        )
