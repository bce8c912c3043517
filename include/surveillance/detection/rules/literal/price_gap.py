"""Price gap: the session opens away from where the previous one closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from msgspec import Struct
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection.rules.bar_rule import GAP_DOWN, GAP_UP, Fired, Firing, pick
from include.surveillance.detection.scan import Scan
from include.surveillance.timespans import DAY_MS


class PriceGap(Struct, frozen=True):
    """The session's first regular price is more than 2 % away from the previous session's last one.

    abs(open of the day's first regular-session bar / close of the last regular-session bar of the previous session
    present in the series - 1) > 2 %. A bar is regular when it starts in the session; an hour bar that holds the open
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

    name: ClassVar[str] = "price_gap"
    form: ClassVar[str] = "literal"
    version: ClassVar[int] = 1
    MEMORY: ClassVar[dict[str, str]] = {"gap_session": "int32", "gap_close": "float64", "gap_ts": "int64"}
    window: ClassVar[int] = 0

    limit: float = 0.02

    def measure(self, scan: Scan) -> None:
        previous, gap = scan.new("previous_close"), scan.new("gap")
        # New York's date and clock; where there is no such clock, the calendar's session.
        of = scan.positions.date if scan.by_clock else scan.positions.session
        memory = [scan.memory[name] for name in self.MEMORY]
        previous_closes(scan, scan.positions.clock_regular, of, memory, previous, scan.new("previous_ts"))
        opening = np.flatnonzero(previous > 0)
        gap[opening] = scan.open[opening] / previous[opening] - 1.0

    def judge(self, scan: Scan) -> Iterable[Fired]:
        gap, limit = scan.measures["gap"], scan.limit(self.form, self.name, "limit")
        opening = np.flatnonzero(gap == gap)
        for kind, sign in ((GAP_UP, 1.0), (GAP_DOWN, -1.0)):
            index = opening[sign * gap[opening] > pick(limit, opening)]
            value, tolerated = np.abs(gap[index]), pick(limit, index)
            previous = scan.prices_today(scan.measures["previous_close"][index], index)
            yield Fired(kind, index, value, tolerated, previous, value / tolerated)

    def sentence(self, firing: Firing) -> str:
        return (
            f"{firing.symbol} opened at {wording.price(float(firing.scan.bars.open[firing.index]))} on "
            f"{firing.session_date}, {wording.percent(firing.value)} {'above' if firing.direction == 'up' else 'below'}"
            f" the last regular close of the previous session ({wording.price(firing.baseline)}"
            f"{', adjusted for splits' if firing.scan.adjusts(firing.index) else ''}); the limit is "
            f"{wording.percent(firing.threshold)}."
        )


def previous_closes(scan: Scan, regular: np.ndarray, session: np.ndarray, memory: list, out, out_ts) -> None:
    """At a session's first regular bar: the previous session's last regular close, and its start; NaN elsewhere."""
    day_bars = scan.span == DAY_MS
    _previous_closes(scan.segments, regular, session, day_bars, scan.bars.ts, scan.close, *memory, out, out_ts)


@njit(cache=True)
def _previous_closes(
    segments, regular, session, day_bars, ts, close, known_session, known_close, known_ts, out, out_ts
):
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        at, price, when = known_session[row], known_close[row], known_ts[row]
        for i in range(first, end):
            if i == revisable:
                known_session[row], known_close[row], known_ts[row] = at, price, when
            if not regular[i]:
                continue
            if price > 0.0 and (day_bars[s] or session[i] > at):
                out[i], out_ts[i] = price, when
            at, price, when = session[i], close[i], ts[i]
        if revisable == end:
            known_session[row], known_close[row], known_ts[row] = at, price, when
