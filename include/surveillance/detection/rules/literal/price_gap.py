"""Price gap: the session opens away from where the previous one closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import BarStamp
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.rules.bar_rule import SIDES, Fired, Firing, Limits, LiteralRule, times_limit
from include.surveillance.detection.scan import Scan
from include.surveillance.timespans import DAY_MS


class GapMemory(NamedTuple):
    """Holds each series' last regular bar: its session, close, start and revision; a close of zero for none."""

    session: np.ndarray
    close: np.ndarray
    ts: np.ndarray
    revision: np.ndarray


class LiteralPriceGap(LiteralRule, frozen=True):
    """The session's first regular price is more than 2 % away from the previous session's last one.

    abs(open of the session's first regular bar / close of the last regular bar of the latest session before it that
    the series has - 1) > 2 %. A bar is regular when it starts in the session, whose open and close are the exchange
    calendar's, half-days and late opens included; an hour bar that contains the open opens the session; every day bar
    of a session counts. The previous close is first divided by the splits that take effect between the two sessions.
    ``direction`` is up or down.

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
    memory: ClassVar[dict[str, str]] = {
        "gap_session": "int32",
        "gap_close": "float64",
        "gap_ts": "int64",
        "gap_revision": "uint32",
    }

    limit: float = 0.02

    def measure(self, scan: Scan) -> None:
        gap, previous = scan.new_measure("gap"), scan.new_measure("previous_close", "price")
        which = (scan.new_measure(f"previous_{part}") for part in ("ts", "revision", "session"))
        _write_previous_closes(
            scan.segments, scan.span == DAY_MS, scan.positions.regular, scan.positions.session, scan.bars.ts,
            scan.bars.revision, scan.close, GapMemory(*scan.remembered(self.memory)), previous, *which,
        )  # fmt: skip
        opening = np.flatnonzero(previous > 0)
        gap[opening] = scan.open[opening] / previous[opening] - 1.0

    def earlier_bars(self, scan: Scan, index: int) -> list[BarStamp]:
        return previous_bar(scan, index)

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        return fire_gaps(scan, scan.measures["gap"], limits("limit"), scan.measures["previous_close"])

    def sentence(self, firing: Firing) -> str:
        opened, before = wording.prices(float(firing.scan.bars.open[firing.index]), firing.baseline)
        gap, limit = wording.percents(firing.value, firing.threshold)
        return (
            f"{firing.symbol} opened at {opened} on {firing.session_date}, {gap} "
            f"{'above' if firing.direction == 'up' else 'below'} the last regular close before it ({before} on "
            f"{iso_date(int(firing.measured('previous_session')))}"
            f"{', adjusted for splits' if firing.scan.adjusts(firing.index) else ''}); the limit is {limit}."
        )


def previous_bar(scan: Scan, index: int) -> list[BarStamp]:
    """Return the bar whose close is the measure ``previous_close``."""
    start, revision = (int(scan.measures[name][index]) for name in ("previous_ts", "previous_revision"))
    return [(start, revision)]


def fire_gaps(scan: Scan, gap: np.ndarray, limit: np.ndarray, previous: np.ndarray) -> Iterator[Fired]:
    """Yield, per direction, the bars whose gap is beyond the limit; its baseline is the previous close."""
    opening = np.flatnonzero(gap == gap)
    for direction, sign in SIDES:
        index = opening[sign * gap[opening] > limit[opening]]
        value, tolerated = np.abs(gap[index]), limit[index]
        baseline = scan.prices_today(previous[index], index)
        yield Fired(index, value, tolerated, baseline, times_limit(value, tolerated), direction)


@njit(cache=True)
def _write_previous_closes(segments, day_bars, regular, session, ts, revision, close, memory, out, start, stamp, of):
    """Write, at a session's first regular bar, the last regular one before it: close, start, revision and session."""
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        day, price, when, which = memory.session[row], memory.close[row], memory.ts[row], memory.revision[row]
        for i in range(first, end):
            if i == revisable:
                memory.session[row], memory.close[row] = day, price
                memory.ts[row], memory.revision[row] = when, which
            if not regular[i]:
                continue
            if price > 0.0 and (day_bars[s] or session[i] > day):
                out[i], start[i], stamp[i], of[i] = price, when, which, day
            day, price, when, which = session[i], close[i], ts[i], revision[i]
        if revisable == end:
            memory.session[row], memory.close[row] = day, price
            memory.ts[row], memory.revision[row] = when, which
