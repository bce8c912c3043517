"""Price gap, robust: the session opens further away than its usual day is wide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import BarStamp
from include.surveillance.detection.logarithms import log
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.rules.bar_rule import Fired, Firing, Limits, RobustRule
from include.surveillance.detection.rules.literal.price_gap import fire_gaps, previous_bar
from include.surveillance.detection.scan import Scan


class RobustPriceGap(RobustRule, frozen=True):
    """The session opens much further from the previous close than the symbol usually moves in a day.

    abs(ln(open of the session's first regular bar / previous session's last regular close)) / usual range is greater
    than what the budget of alerts asks for in this symbol (1 where its profile knows no tail yet), and the gap is at
    least 0.5 %. Sessions are the exchange calendar's, half-days and late opens included. The previous
    close is adjusted for splits and lowered by cash dividends that go ex between the two sessions: neither is a gap.
    The usual range is the average true range of the profile's last 14 sessions, as a fraction of the close.
    ``direction`` is up or down.

    Example: KO closes at 49.79 and opens at 46.76; its usual day is 1.4 % wide. ln(46.76 / 49.79) = -6.28 %, 4.5
    ranges, so the rule fires down with value 4.5, threshold 1 and baseline 49.79.

    Warm-up: not applicable on any bar but a session's first regular one, nor before one previous session,
    nor without a profile. With one or two sessions the usual range is widened, for how little they say of it. Zero
    variance: not applicable with a usual range of zero.
    Exceedance: value / limit.

    Attributes:
        limit: usual ranges that are tolerated.
        minimum: absolute log gap below which no gap counts, as a fraction.
    """

    name = "price_gap"
    version = 1
    directions = ("up", "down")
    threshold = "limit"
    prior = (1.2, 1.5)
    reported = ("gap_range",)

    limit: float = 1.0
    minimum: float = 0.005

    def applies(self, scan: Scan) -> np.ndarray:
        return (scan.profile >= 0) & (scan.profiles.range_percent[scan.profile] > 0)

    def measure(self, scan: Scan) -> None:
        gaps, close = scan.new_measure("gap_range"), scan.new_measure("session_close", "price")
        opening = np.flatnonzero(scan.measures["previous_close"] > 0)
        close[opening] = scan.measures["previous_close"][opening] - self._dividends(scan, opening)
        usual = np.where(self.applies(scan)[opening], scan.profiles.range_percent[scan.profile[opening]], np.nan)
        gaps[opening] = log(scan.open[opening] / close[opening]) / usual

    def earlier_bars(self, scan: Scan, index: int) -> list[BarStamp]:
        return previous_bar(scan, index)

    def score(self, scan: Scan, limits: Limits) -> np.ndarray:
        gap = np.abs(scan.measures["gap_range"])
        return np.where(self._is_far(scan, limits) | np.isnan(gap), gap, 0.0)

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        gap = np.where(self._is_far(scan, limits), scan.measures["gap_range"], np.nan)
        for fired in fire_gaps(scan, gap, limits("limit"), scan.measures["session_close"]):
            yield replace(fired, statistic=fired.value)

    def sentence(self, firing: Firing) -> str:
        open_ = float(firing.scan.bars.open[firing.index])
        opened, before = wording.prices(open_, firing.baseline)
        (gap,), (ranges, limit) = (
            wording.percents(abs(open_ / firing.baseline - 1)), wording.numbers(firing.value, firing.threshold)
        )  # fmt: skip
        return (
            f"{firing.symbol} opened at {opened} on {firing.session_date}, {gap} "
            f"{'above' if firing.direction == 'up' else 'below'} the last regular close before it ({before} on "
            f"{iso_date(int(firing.measured('previous_session')))}, after splits and dividends): {ranges} of its usual "
            f"daily ranges; the limit is {limit}."
        )

    @staticmethod
    def _is_far(scan: Scan, limits: Limits) -> np.ndarray:
        return np.abs(log(scan.open / scan.measures["session_close"])) >= limits("minimum")

    @staticmethod
    def _dividends(scan: Scan, opening: np.ndarray) -> np.ndarray:
        """Add up what went ex since the previous close, in the shares of the scan's prices, per opening bar."""
        cash = np.zeros(len(opening))
        session, previous = scan.positions.session, scan.measures["previous_session"]
        for at, i in enumerate(opening.tolist()):
            paid = scan.actions.dividend_between(scan.bars.keys[scan.segment(i)][0], int(previous[i]), int(session[i]))
            cash[at] = paid if scan.share_factor is None else paid * scan.share_factor[i]
        return cash
