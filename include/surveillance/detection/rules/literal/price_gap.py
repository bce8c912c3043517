"""Price gap: the session opens away from where the previous one closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection.rules.bar_rule import (
    SIDES,
    BarRule,
    Fired,
    Firing,
    Limits,
    LiteralRule,
    times_limit,
)
from include.surveillance.detection.scan import Scan
from include.surveillance.timespans import DAY_MS


class GapMemory(NamedTuple):
    """Holds each series' last regular bar: its session, close and start; a close of zero for none."""

    session: np.ndarray
    close: np.ndarray
    ts: np.ndarray


class LiteralPriceGap(LiteralRule, frozen=True):
    """The session's first regular price is more than 2 % away from the previous session's last one.

    abs(open of the day's first regular-session bar / close of the last regular-session bar of the previous session
    present in the series - 1) > 2 %. A bar is regular when it starts in the session; an hour bar that contains the open
    opens the session; every day bar counts. The previous close is first divided by the splits that take effect
    between the two sessions. ``direction`` is up or down.

    Example: KO's last regular minute closed at 49.79 and the next session's first opened at 46.76. 46.76 / 49.79 - 1
    = -6.09 %, beyond 2 %, so the rule fires down with value 0.0609 and baseline 49.79. Had a 2-for-1 split taken
    effect that morning, the baseline would be 24.895.

    Warm-up: not applicable on any bar but a session's first regular one, nor before one previous session. Prices are
    above zero, so there is no zero-variance case.
    Reckoned in double precision, so a gap of exactly 2 % can fall on either side. Exceedance: absolute gap / limit.

    Attributes:
        limit: absolute gap that is tolerated, as a fraction.
    """

    name = "price_gap"
    version = 1
    directions = ("up", "down")
    threshold = "limit"
    reported = ("gap",)
    memory: ClassVar[dict[str, str]] = {"gap_session": "int32", "gap_close": "float64", "gap_ts": "int64"}
    rests_on = "previous_ts"

    limit: float = 0.02

    def measure(self, scan: Scan) -> None:
        gap = scan.new_measure("gap")
        # New York's date and clock; where there is no such clock, the calendar's session.
        day = scan.positions.date if scan.by_clock else scan.positions.session
        previous = measure_previous_closes(self, scan, "previous_close", scan.positions.clock_regular, day)
        opening = np.flatnonzero(previous > 0)
        gap[opening] = scan.open[opening] / previous[opening] - 1.0

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        return fire_gaps(scan, scan.measures["gap"], limits("limit"), scan.measures["previous_close"])

    def sentence(self, firing: Firing) -> str:
        return (
            f"{firing.symbol} opened at {wording.price(float(firing.scan.bars.open[firing.index]))} on "
            f"{firing.session_date}, {wording.percent(firing.value)} {'above' if firing.direction == 'up' else 'below'}"
            f" the last regular close of the previous session ({wording.price(firing.baseline)}"
            f"{', adjusted for splits' if firing.scan.adjusts(firing.index) else ''}); the limit is "
            f"{wording.percent(firing.threshold)}."
        )


def measure_previous_closes(
    rule: BarRule, scan: Scan, name: str, regular: np.ndarray, session: np.ndarray
) -> np.ndarray:
    """Measure, at a session's first regular bar, the close of the previous session's last regular bar, and its start.

    Returns:
        The measure of this name; the start is the measure that the rule rests on.
    """
    close, start = scan.new_measure(name, "price"), scan.new_measure(rule.rests_on)
    memory, day_bars = GapMemory(*scan.remembered(rule.memory)), scan.span == DAY_MS
    _write_previous_closes(scan.segments, day_bars, regular, session, scan.bars.ts, scan.close, memory, close, start)
    return close


def fire_gaps(scan: Scan, gap: np.ndarray, limit: np.ndarray, previous: np.ndarray) -> Iterator[Fired]:
    """Yield, per direction, the bars whose gap is beyond the limit; its baseline is the previous close."""
    opening = np.flatnonzero(gap == gap)
    for direction, sign in SIDES:
        index = opening[sign * gap[opening] > limit[opening]]
        value, tolerated = np.abs(gap[index]), limit[index]
        baseline = scan.prices_today(previous[index], index)
        yield Fired(index, value, tolerated, baseline, times_limit(value, tolerated), direction)


@njit(cache=True)
def _write_previous_closes(segments, day_bars, regular, session, ts, close, memory, previous_close, previous_ts):
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        day, price, when = memory.session[row], memory.close[row], memory.ts[row]
        for i in range(first, end):
            if i == revisable:
                memory.session[row], memory.close[row], memory.ts[row] = day, price, when
            if not regular[i]:
                continue
            if price > 0.0 and (day_bars[s] or session[i] > day):
                previous_close[i], previous_ts[i] = price, when
            day, price, when = session[i], close[i], ts[i]
        if revisable == end:
            memory.session[row], memory.close[row], memory.ts[row] = day, price, when
