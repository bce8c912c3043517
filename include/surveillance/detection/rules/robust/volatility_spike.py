"""Volatility spike, robust: prices move more than they almost ever do at this time of day, and go on doing so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection.rules.bar_rule import Fired, Firing, Limits, RobustRule, Structural, times_limit
from include.surveillance.detection.scan import Scan


class SpikeMemory(NamedTuple):
    """Holds each series' part of a day, its bars in a row above the limit, and whether it is in a spell."""

    part: np.ndarray
    above: np.ndarray
    on: np.ndarray


class RobustVolatilitySpike(RobustRule, frozen=True):
    """For three bars in a row, returns spread far wider than is usual for this symbol at this time of day.

    Each one-bar log return is divided by its usual size at that time of day, so that the open and the close, which are
    always lively, are no spike. The statistic is the standard deviation (ddof 1) of the last 20 such returns of one
    regular session, or of one pre- or post-market; its limit is a multiple of the 99.5th percentile of the same
    statistic over the regular sessions that the profile was built from: the multiple that the budget of alerts asks for
    in this symbol (1 where its profile knows no tail yet). Before and after the session, where days differ much more,
    the usual size is in such a unit that the percentile is 1.5 times the one there. The rule starts to fire
    at the third bar in a row above the limit, and goes on until the statistic is below the regular sessions' 80th
    percentile: one spell is one episode, not one per wobble around the limit.

    Example: the multiple is 1, the profile's 99.5th percentile 0.0021 and its 80th 0.0011. Three minutes have 0.0024,
    0.0026 and 0.0025: the rule fires at the third with value 0.0025 and threshold 0.0021, and stops when a minute is
    below 0.0011.

    Warm-up: not applicable before 21 bars of the regular session, or of the pre- or post-market, nor in the closing
    auction, nor at times around the session at which the profile knows nothing usual, nor without a profile, nor at
    timespans with fewer than 22 bars a session, day bars among them. With one or two sessions the percentiles are
    widened, for how little they say of them. Zero variance: prices that do not move have the value 0 and never fire;
    not applicable with a profile of prices that never moved, whose percentile is zero.
    Exceedance: value / limit, at least 1 while a spell lasts.

    Attributes:
        multiple: times the profile's 99.5th percentile that is tolerated.
        persistence: bars in a row above the limit before the rule fires.
        window: returns in the standard deviation.
    """

    name = "volatility_spike"
    version = 1
    threshold = "multiple"
    prior = (2.5, 2.5)
    reported = ("volatility_ratio",)
    rests_on = ("volatility",)
    memory: ClassVar[dict[str, str]] = {"spike_part": "int32", "spike_above": "int32", "spike_on": "bool"}

    multiple: float = 1.0
    persistence: Structural[int] = 3
    window: Structural[int] = 20

    @property
    def context(self) -> int:
        return self.window

    def applies(self, scan: Scan) -> np.ndarray:
        return (scan.profile >= 0) & (scan.profiles.volatility_fire[scan.profile] > 0)

    def measure(self, scan: Scan) -> None:
        deviation = scan.new_measure("volatility", "", self.window)
        usual_deviations(
            scan.segments, scan.measures["log_return"], scan.positions, scan.profile, scan.profiles.return_factor,
            self.window, deviation,
        )  # fmt: skip
        with np.errstate(divide="ignore", invalid="ignore"):
            scan.measures["volatility_ratio"] = deviation / self._quantile(scan, "volatility_fire")

    def score(self, scan: Scan, limits: Limits) -> np.ndarray:
        return scan.measures["volatility_ratio"]

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        deviation = scan.measures["volatility"]
        limit = limits("multiple") * self._quantile(scan, "volatility_fire")
        on = np.zeros(len(scan), np.bool_)
        clear, memory = self._quantile(scan, "volatility_clear"), SpikeMemory(*scan.remembered(self.memory))
        _mark_spells(scan.segments, scan.parts_of_day(), deviation, limit, clear, self.persistence, memory, on)
        index = np.flatnonzero(on)
        value, tolerated = deviation[index], limit[index]
        exceedance = np.maximum(times_limit(value, tolerated), 1.0)
        yield Fired(index, value, tolerated, tolerated, exceedance, statistic=scan.measures["volatility_ratio"][index])

    def sentence(self, firing: Firing) -> str:
        moved, limit = wording.percents(firing.value, firing.threshold)
        return (
            f"{firing.symbol} moved by {moved} per bar (standard deviation of the last {self.window} returns, each "
            f"relative to its time of day) {wording.until(firing.timespan, firing.ts_ms, firing.session_date)}; it "
            f"started when {self.persistence} bars in a row were above {limit}."
        )

    @staticmethod
    def _quantile(scan: Scan, name: str) -> np.ndarray:
        """Return a quantile of each bar's profile; NaN where there is no profile, or none above zero."""
        quantile = getattr(scan.profiles, name)[scan.profile]
        return np.where((scan.profile >= 0) & (quantile > 0), quantile, np.nan)


@njit(cache=True)
def usual_deviations(segments, returns, positions, profile, factor, window, out):
    """Write the deviation of the last ``window`` returns of one part of a day, each divided by its slot's factor."""
    session, phase, regular, slot = positions.session, positions.phase, positions.regular, positions.slot
    scaled = np.empty(window)
    for s in range(len(segments.start)):
        for i in range(max(segments.evaluate_from[s], segments.start[s] + window), segments.end[s]):
            p = profile[i]
            if p < 0 or slot[i] < 0 or session[i - window] != session[i]:
                continue
            if phase[i - window] != phase[i] and not (regular[i - window] and regular[i]):
                continue
            total = 0.0
            for j in range(window):
                k = i - window + 1 + j
                scaled[j] = returns[k] / factor[p, slot[k]]
                total += scaled[j]
            mean, squares = total / window, 0.0
            for j in range(window):
                squares += (scaled[j] - mean) ** 2
            out[i] = np.sqrt(squares / (window - 1))


@njit(cache=True)
def _mark_spells(segments, part, deviation, limit, clear, persistence, memory, on):
    """Write True into ``on`` where a bar belongs to a spell of volatility."""
    for s in range(len(segments.start)):
        row, first, end = segments.state_row[s], segments.evaluate_from[s], segments.end[s]
        revisable = segments.revisable_from[s]
        day, above, burning = memory.part[row], memory.above[row], memory.on[row]
        for i in range(first, end):
            if i == revisable:
                memory.part[row], memory.above[row], memory.on[row] = day, above, burning
            if part[i] != day:
                day, above, burning = part[i], 0, False
            if deviation[i] != deviation[i]:
                continue
            above = above + 1 if deviation[i] > limit[i] else 0
            burning = deviation[i] >= clear[i] if burning else above >= persistence
            on[i] = burning
        if revisable == end:
            memory.part[row], memory.above[row], memory.on[row] = day, above, burning
