"""Price breakout, robust: the price leaves its range, with conviction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection import windows
from include.surveillance.detection.rules.bar_rule import SIDES, Fired, Firing, Limits, RobustRule, Structural
from include.surveillance.detection.scan import Scan
from include.surveillance.timespans import DAY_MS


class BreakoutMemory(NamedTuple):
    """Holds each series' part of a day, and the price to come back to before the next firing; 0 when it is armed."""

    part: np.ndarray
    rearm_up: np.ndarray
    rearm_down: np.ndarray


class RobustPriceBreakout(RobustRule, frozen=True):
    """The first close beyond the range of the 20 previous bars by a buffer, on lively volume.

    The range is the highest high and the lowest low of the 20 previous present bars. The buffer is a multiple of the
    average true range (ATR) of the 14 previous bars, so that it grows with the symbol's own pace: the multiple that the
    budget of alerts asks for in this symbol (1 where its profile knows no tail yet). The volume of the
    last five minutes must be at least 1.5 times the usual one at that time of day; outside the regular session, where
    days differ much more, it must also be 3 robust standard deviations above it (z, as abnormal_volume has it). It is
    an event, not a state: having fired up, the rule does not fire up again before a close half an ATR below the level
    that was broken, or the next part of the day (pre-market, regular session, closing auction, post-market). The first
    bar after what looks like a halt needs no volume where it left the price's band (5 % above $3). ``direction`` is up
    or down.

    Example: the range reaches to 101.00, the ATR is 0.20 and the buffer 1: a close at 101.30 on 1.8 times the usual
    volume fires up with value 101.30, threshold 101.20 and baseline 101.00. Closes at 101.50 and 101.80 are silent;
    after one at 100.90 the rule is armed again.

    Warm-up: not applicable before 20 previous bars, at the first bar of a day's trading, and where the volume is not
    applicable: without a profile, while the market is closed, and at times around the session at which nothing is
    usual. Zero variance: an ATR below 0.01 % of the price counts as that much.
    Exceedance: distance beyond the range / buffer, at most 4, when the buffer is not zero; else 1 + distance in ATR.

    Attributes:
        buffer: average true ranges beyond the range that are tolerated.
        minimum_rvol: times the usual volume that it takes.
        minimum_z: robust standard deviations above the usual volume that it takes outside the regular session.
        rearm: average true ranges below the broken level (above, for down) at which the rule is armed again.
        window: bars in the average true range.
    """

    name = "price_breakout"
    version = 1
    directions = ("up", "down")
    threshold = "buffer"
    prior = (7.0, 1.5)
    reported = ("breakout_atr",)
    rests_on = ("highest_high", "lowest_low", "atr")
    memory: ClassVar[dict[str, str]] = {
        "breakout_part": "int32",
        "breakout_rearm_up": "float64",
        "breakout_rearm_down": "float64",
    }

    buffer: float = 1.0
    minimum_rvol: float = 1.5
    minimum_z: float = 3.0
    rearm: Structural[float] = 0.5
    window: Structural[int] = 14

    @property
    def context(self) -> int:
        return self.window + 1  # a true range also needs the close before it

    def measure(self, scan: Scan) -> None:
        atr, distance = scan.new_measure("atr", "price", self.context), scan.new_measure("breakout_atr")
        windows.true_ranges_before(scan.high, scan.low, scan.close, scan.segments, self.window, atr)
        np.maximum(atr, 1e-4 * scan.close, out=atr)
        highest, lowest = scan.measures["highest_high"], scan.measures["lowest_low"]
        above, below = (scan.close - highest) / atr, (scan.close - lowest) / atr
        distance[:] = np.where(above > 0, above, np.where(below < 0, below, 0.0 * above))

    def score(self, scan: Scan, limits: Limits) -> np.ndarray:
        distance = np.abs(scan.measures["breakout_atr"])
        judged = ~np.isnan(distance) & ~np.isnan(scan.measures["rvol"])
        return np.where(self._is_lively(scan, limits), distance, np.where(judged, 0.0, np.nan))

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        distance, atr = scan.measures["breakout_atr"], scan.measures["atr"]
        highest, lowest = scan.measures["highest_high"], scan.measures["lowest_low"]
        buffer, lively = limits("buffer"), self._is_lively(scan, limits)
        fired = np.zeros(len(scan), np.int8)
        _mark_breakouts(
            scan.segments, scan.parts_of_day(), scan.close, distance, lively, buffer,
            highest - self.rearm * atr, lowest + self.rearm * atr,
            BreakoutMemory(*scan.remembered(self.memory)), fired,
        )  # fmt: skip
        for (direction, sign), level in zip(SIDES, (highest, lowest), strict=True):
            index = np.flatnonzero(fired == sign)
            close, base, range_ = (scan.prices_today(prices[index], index) for prices in (scan.close, level, atr))
            room, apart = buffer[index], np.abs(distance[index])
            with np.errstate(divide="ignore", invalid="ignore"):
                exceedance = np.where(room > 0, np.minimum(apart / room, 4.0), 1.0 + apart)
            yield Fired(index, close, base + sign * room * range_, base, exceedance, direction, apart)

    @staticmethod
    def _is_lively(scan: Scan, limits: Limits) -> np.ndarray:
        """Say per bar whether its volume, or a halt before it, lets it break out."""
        lively = scan.measures["rvol"] >= limits("minimum_rvol")
        lively &= scan.positions.regular | (scan.measures["volume_z"] >= limits("minimum_z"))
        lively |= scan.measures["reopened"] == 1.0
        # The first bar of a day is held against yesterday's range: that is a gap, not a breakout.
        opening = np.diff(scan.positions.session, prepend=-1) != 0
        return lively & (~opening | np.repeat(scan.span == DAY_MS, scan.segments.end - scan.segments.start))

    def sentence(self, firing: Firing) -> str:
        side, level = ("above", "highest high") if firing.direction == "up" else ("below", "lowest low")
        closed, limit, base = wording.prices(firing.value, firing.threshold, firing.baseline)
        (buffer,), (rvol,) = wording.numbers(firing.limits("buffer")), wording.numbers(firing.limits("minimum_rvol"))
        return (
            f"{firing.symbol} closed at {closed} "
            f"{wording.during(firing.timespan, firing.ts_ms, firing.session_date)}, more than {buffer} times the "
            f"average range {side} the {level} of the {firing.scan.looks_back['highest_high']} previous bars ({base}; "
            f"the limit is {limit}), on at least {rvol} times its usual volume."
        )


@njit(cache=True)
def _mark_breakouts(segments, part, close, distance, lively, buffer, rearm_up, rearm_down, memory, fired):
    """Write 1 into ``fired`` where the price leaves its range upwards, -1 downwards."""
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        day, up, down = memory.part[row], memory.rearm_up[row], memory.rearm_down[row]
        for i in range(first, end):
            if i == revisable:
                memory.part[row], memory.rearm_up[row], memory.rearm_down[row] = day, up, down
            if part[i] != day:
                day, up, down = part[i], 0.0, 0.0
            if up > 0.0 and close[i] <= up:
                up = 0.0
            if down > 0.0 and close[i] >= down:
                down = 0.0
            if not lively[i]:
                continue
            if distance[i] > buffer[i] and up == 0.0:
                fired[i] = 1
                up = rearm_up[i]
            elif -distance[i] > buffer[i] and down == 0.0:
                fired[i] = -1
                down = rearm_down[i]
        if revisable == end:
            memory.part[row], memory.rearm_up[row], memory.rearm_down[row] = day, up, down
