"""Price breakout: a close outside the range of the bars before it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.detection import windows
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.rules.bar_rule import SIDES, Fired, Firing, Limits, LiteralRule, Structural
from include.surveillance.detection.scan import Scan


class LiteralPriceBreakout(LiteralRule, frozen=True):
    """The close is above the highest high, or below the lowest low, of the 20 previous bars.

    The 20 are the previous bars that exist, of all hours, over session borders; the current bar is not one of them.
    Touching the level is not a breakout. ``direction`` is up or down.

    Example: the 20 previous bars reached from 100.00 to 101.00 and this one closes at 101.50: above 101.00, so the
    rule fires up with value 101.50 and threshold 101.00.

    Warm-up: not applicable before 20 previous bars. Zero variance: when all 20 bars have one price, any other
    close is a breakout.
    Exceedance: 1 + distance beyond the level / width of the range; 2 when the range has no width. In the example
    1 + 0.50 / 1.00 = 1.5.

    Attributes:
        window: previous bars in the range.
        buffer: share of the range's width that is tolerated beyond it; 0 is the rule as written above.
    """

    name = "price_breakout"
    version = 1
    directions = ("up", "down")
    threshold = "buffer"
    reported = ("highest_high", "lowest_low")
    rests_on = ("highest_high", "lowest_low")

    window: Structural[int] = 20
    buffer: float = 0.0

    @property
    def context(self) -> int:
        return self.window

    def measure(self, scan: Scan) -> None:
        highest, lowest = (scan.unset_measure(name, "price", self.window) for name in self.rests_on)
        windows.extremes_before(scan.high, scan.low, scan.segments, self.window, highest, lowest)
        scan.reset_windows(self.window, highest, lowest)

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        highest, lowest = scan.measures["highest_high"], scan.measures["lowest_low"]
        buffer = limits("buffer")
        for (direction, sign), level in zip(SIDES, (highest, lowest), strict=True):
            index = np.flatnonzero(scan.close > highest if sign > 0 else scan.close < lowest)
            width = highest[index] - lowest[index]
            index = index[np.abs(scan.close[index] - level[index]) > buffer[index] * width]
            width = highest[index] - lowest[index]
            close, base, room = (
                scan.prices_today(prices, index) for prices in (scan.close[index], level[index], width)
            )
            with np.errstate(divide="ignore", invalid="ignore"):
                beyond = np.where(room > 0, np.abs(close - base) / room, 1.0)
            limit = base + sign * buffer[index] * room
            yield Fired(index, close, limit, base, 1.0 + beyond, direction)

    def statistic(self, evaluation: Evaluation) -> np.ndarray:
        close, measures = evaluation.bars.close, evaluation.measures
        highest, lowest = measures["highest_high"], measures["lowest_low"]
        return np.maximum(close - highest, lowest - close) / (highest - lowest)

    def sentence(self, firing: Firing) -> str:
        side, level = ("above", "highest high") if firing.direction == "up" else ("below", "lowest low")
        closed, limit, base = wording.prices(firing.value, firing.threshold, firing.baseline)
        buffer = "" if firing.threshold == firing.baseline else f"{limit}, a buffer beyond "
        return (
            f"{firing.symbol} closed at {closed} "
            f"{wording.during(firing.timespan, firing.ts_ms, firing.session_date)}, {side} {buffer}the {level} of the "
            f"{self.window} previous bars ({base})."
        )
