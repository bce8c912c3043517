"""Price gap, robust: the session opens further away than its usual day is wide."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import BarStamp
from include.surveillance.detection.rules.bar_rule import Fired, Firing, Limits, RobustRule
from include.surveillance.detection.rules.literal.price_gap import (
    fire_gaps,
    measure_previous_closes,
    previous_bar,
)
from include.surveillance.detection.scan import Scan


class RobustPriceGap(RobustRule, frozen=True):
    """The session opens further from the previous close than one usual day's range.

    abs(ln(open of the session's first regular bar / previous session's last regular close)) / usual range > 1, and
    the gap is at least 0.5 %. Sessions are the exchange calendar's, half-days and late opens included. The previous
    close is adjusted for splits and lowered by cash dividends that go ex between the two sessions: neither is a gap.
    The usual range is the average true range of the profile's last 14 sessions, as a fraction of the close.
    ``direction`` is up or down.

    Example: KO closes at 49.79 and opens at 46.76; its usual day is 1.4 % wide. ln(46.76 / 49.79) = -6.28 %, 4.5
    ranges, so the rule fires down with value 4.5, threshold 1 and baseline 49.79.

    Warm-up: not applicable on any bar but a session's first regular one, nor before one previous session; without a
    profile the literal form alerts. Zero variance: with a usual range of zero the literal form alerts, too.
    Exceedance: value / limit.

    Attributes:
        limit: usual ranges that are tolerated.
        minimum: absolute log gap below which no gap counts, as a fraction.
    """

    name = "price_gap"
    version = 1
    directions = ("up", "down")
    threshold = "limit"
    reported = ("gap_range",)
    memory: ClassVar[dict[str, str]] = {
        "open_session": "int32",
        "open_close": "float64",
        "open_ts": "int64",
        "open_revision": "uint32",
    }

    limit: float = 1.0
    minimum: float = 0.005

    def applies(self, scan: Scan) -> np.ndarray:
        return (scan.profile >= 0) & (scan.profiles.range_percent[scan.profile] > 0)

    def measure(self, scan: Scan) -> None:
        gaps, positions = scan.new_measure("gap_range"), scan.positions
        before = scan.memory["open_session"][scan.segments.state_row]
        previous = measure_previous_closes(self, scan, "session_close", positions.regular, positions.session)
        opening = np.flatnonzero(previous == previous)
        if len(opening):
            self._without_dividends(scan, opening, before, previous)
        usual = np.where(self.applies(scan)[opening], scan.profiles.range_percent[scan.profile[opening]], np.nan)
        gaps[opening] = np.log(scan.open[opening] / previous[opening]) / usual

    def earlier_bars(self, scan: Scan, index: int) -> list[BarStamp]:
        return previous_bar(scan, "session_close", index)

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        previous = scan.measures["session_close"]
        far = np.abs(np.log(scan.open / previous)) >= limits("minimum")
        return fire_gaps(scan, np.where(far, scan.measures["gap_range"], np.nan), limits("limit"), previous)

    def sentence(self, firing: Firing) -> str:
        open_ = float(firing.scan.bars.open[firing.index])
        opened, before = wording.prices(open_, firing.baseline)
        (gap,), (ranges, limit) = (
            wording.percents(abs(open_ / firing.baseline - 1)), wording.numbers(firing.value, firing.threshold)
        )  # fmt: skip
        return (
            f"{firing.symbol} opened at {opened} on {firing.session_date}, {gap} "
            f"{'above' if firing.direction == 'up' else 'below'} the previous session's last close "
            f"({before}, after splits and dividends): {ranges} of its usual daily ranges; the limit is {limit}."
        )

    @staticmethod
    def _without_dividends(scan: Scan, opening: np.ndarray, before: np.ndarray, previous: np.ndarray) -> None:
        """Lower the previous closes by what went ex since."""
        segment = np.searchsorted(scan.segments.end, opening, side="right")
        session, regular = scan.positions.session, scan.positions.regular
        for i, s in zip(opening.tolist(), segment.tolist(), strict=True):
            last = i - 1
            while last >= scan.segments.evaluate_from[s] and not regular[last]:
                last -= 1
            after = session[last] if last >= scan.segments.evaluate_from[s] else before[s]
            if cash := scan.actions.dividend_between(scan.bars.keys[s][0], int(after), int(session[i])):
                factor = 1.0 if scan.share_factor is None else scan.share_factor[i]
                previous[i] -= cash * factor
