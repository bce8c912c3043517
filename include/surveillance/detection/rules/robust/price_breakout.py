"""Price breakout, robust: the moment at which the price leaves its range, with conviction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from msgspec import Struct
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection import windows
from include.surveillance.detection.rules.bar_rule import BREAKOUT_DOWN, BREAKOUT_UP, Fired, Firing
from include.surveillance.detection.scan import Scan
from include.surveillance.timespans import DAY_MS


class PriceBreakout(Struct, frozen=True):
    """The first close beyond the range of the 20 previous bars by a buffer, on lively volume.

    The range is the highest high and the lowest low of the 20 previous present bars. The buffer is a multiple of the
    average true range (ATR) of the 14 previous bars, so that it grows with the symbol's own pace. The volume of the
    last five minutes must be at least 1.5 times the usual one at that time of day. It is an event, not a state: having
    fired up, the rule does not fire up again before a close half an ATR below the level that was broken, or the next
    session. ``direction`` is up or down.

    Example: the range reaches to 101.00, the ATR is 0.20 and the buffer 1: a close at 101.30 on 1.8 times the usual
    volume fires up with value 101.30, threshold 101.20 and baseline 101.00. Closes at 101.50 and 101.80 are silent;
    after one at 100.90 the rule is armed again.

    Warm-up: not applicable before 20 previous bars, at the first bar of a day's trading, and outside the regular
    session. Without a profile the literal form holds. Zero variance: an ATR below 0.01 % of the price counts as that
    much.
    Exceedance: distance beyond the range / buffer, at most 4, when the buffer is not zero; else 1 + distance in ATR.

    Attributes:
        buffer: average true ranges beyond the range that are tolerated.
        minimum_rvol: times the usual volume that it takes.
        rearm: average true ranges below the broken level (above, for down) at which the rule is armed again.
        window: bars in the average true range.
    """

    name: ClassVar[str] = "price_breakout"
    form: ClassVar[str] = "robust"
    version: ClassVar[int] = 1
    MEMORY: ClassVar[dict[str, str]] = {
        "breakout_session": "int32",
        "breakout_rearm_up": "float64",
        "breakout_rearm_down": "float64",
    }

    buffer: float = 1.0
    minimum_rvol: float = 1.5
    rearm: float = 0.5
    window: int = 14

    def applies(self, scan: Scan) -> np.ndarray:
        return scan.profile >= 0

    def measure(self, scan: Scan) -> None:
        atr, distance = scan.new("atr"), scan.new("breakout_atr")
        windows.true_ranges_before(scan.high, scan.low, scan.close, scan.segments, self.window, atr)
        np.maximum(atr, 1e-4 * scan.close, out=atr)
        highest, lowest = scan.measures["highest_high"], scan.measures["lowest_low"]
        above, below = (scan.close - highest) / atr, (scan.close - lowest) / atr
        distance[:] = np.where(above > 0, above, np.where(below < 0, below, 0.0 * above))

    def judge(self, scan: Scan) -> Iterable[Fired]:
        segments, distance, atr = scan.segments, scan.measures["breakout_atr"], scan.measures["atr"]
        highest, lowest = scan.measures["highest_high"], scan.measures["lowest_low"]
        buffer = np.broadcast_to(scan.limit(self.form, self.name, "buffer"), len(scan))
        lively = scan.measures["rvol"] >= scan.limit(self.form, self.name, "minimum_rvol")
        # The first bar of a day is held against yesterday's range: that is a gap, not a breakout.
        opening = np.diff(scan.positions.session, prepend=-1) != 0
        lively &= ~opening | np.repeat(scan.span == DAY_MS, segments.end - segments.start)
        fired = np.zeros(len(scan), np.int8)
        memory = [scan.memory[name] for name in self.MEMORY]
        _events(
            segments, scan.positions.session, scan.close, distance, lively, buffer,
            highest - self.rearm * atr, lowest + self.rearm * atr, *memory, fired,
        )  # fmt: skip
        for kind, level, sign in ((BREAKOUT_UP, highest, 1), (BREAKOUT_DOWN, lowest, -1)):
            index = np.flatnonzero(fired == sign)
            close, base, range_ = (scan.prices_today(prices[index], index) for prices in (scan.close, level, atr))
            room, apart = buffer[index], np.abs(distance[index])
            with np.errstate(divide="ignore", invalid="ignore"):
                exceedance = np.where(room > 0, np.minimum(apart / room, 4.0), 1.0 + apart)
            yield Fired(kind, index, close, base + sign * room * range_, base, exceedance)

    def sentence(self, firing: Firing) -> str:
        side = "above the highest high" if firing.direction == "up" else "below the lowest low"
        return (
            f"{firing.symbol} closed at {wording.price(firing.value)} "
            f"{wording.during(firing.timespan, firing.ts_ms, firing.session_date)}, "
            f"{abs(firing.at('breakout_atr')):.1f} average ranges {side} of the 20 previous bars "
            f"({wording.price(firing.baseline)}), on {firing.at('rvol'):.1f} times its usual volume."
        )


@njit(cache=True)
def _events(
    segments, session, close, distance, lively, buffer, rearm_up, rearm_down,
    known_session, known_up, known_down, fired,
):  # fmt: skip
    # A price to come back to, 0 when the rule is armed.
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        of, up, down = known_session[row], known_up[row], known_down[row]
        for i in range(first, end):
            if i == revisable:
                known_session[row], known_up[row], known_down[row] = of, up, down
            if session[i] != of:
                of, up, down = session[i], 0.0, 0.0
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
            known_session[row], known_up[row], known_down[row] = of, up, down
