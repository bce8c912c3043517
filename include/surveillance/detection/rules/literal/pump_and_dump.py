"""Pump and dump: a thinly traded price is driven up on volume, and falls back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

import numpy as np
from numba import njit

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import BarStamp
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.rules.bar_rule import Fired, Firing, Limits, LiteralRule, Structural
from include.surveillance.detection.scan import Scan

MOST = 2.0
"""Times its limit that a rise, or what is given back of it, counts at most."""
CHEAP, FELL = 0.5, 1.0
"""What a low price, and the fall after the rise, add to the exceedance."""
_STAMPS = ("pump", "low", "peak")


class Episode(NamedTuple):
    """Holds which bars the pump, the lowest and the highest close of an episode are, and these two closes: of each
    series as it stands, or written at the bar of a dump."""

    pump_ts: np.ndarray
    pump_revision: np.ndarray
    low_ts: np.ndarray
    low_revision: np.ndarray
    peak_ts: np.ndarray
    peak_revision: np.ndarray
    low: np.ndarray
    peak: np.ndarray


class LiteralPumpAndDump(LiteralRule, frozen=True):
    """A thinly traded share rises 15 % within 5 sessions on 5 times its usual volume; within 10, half of it is gone.

    The rule reads day bars and follows one episode through its phases.

    Pump: the close is at least 15 % above the lowest close of the 5 previous sessions (the latest, if there are
    several), and the mean volume of the sessions since that low, today's included, is at least 5 times the usual one,
    which is the median of the 15 sessions before those 5. The share is thinly traded: the usual volume at the lowest
    close is worth at most 5 million dollars. The first such session fires ``up``. Peak: the highest close since then;
    it is known only once the price has left it, so it raises no alert of its own. Dump: the first session, of the 10
    after the pump, whose close has given back at least half of the way from the lowest close to the peak fires
    ``down`` and names all three. After it, or after 10 sessions without it, the rule waits for a session in which the
    pump's conditions do not hold before it looks for another. Sessions are the day bars that exist. Prices and volumes
    are adjusted for splits.

    Example: the lowest close of 5 sessions is 1.00, 100,000 shares a day are usual and 500,000 on average change hands
    since that low: a close at 1.60 fires up with value 0.60, threshold 0.15 and baseline 1.00. Two sessions later the
    share closes at 2.00, and after one more at 1.40: 0.60 of the rise of 1.00 is given back, so the rule fires down
    with value 0.60, threshold 0.50 and baseline 2.00.

    Warm-up: not applicable to other bars than those of days, nor before 20 previous ones, nor where the usual volume is
    zero. Zero variance: prices that do not move have a rise of 0 and never fire.
    It cannot see who trades, what is said on social media, or why: an alert is a shape of price and volume, and a
    squeeze, a takeover or good news has the same one until it falls. Neither does it know how long a share has been
    listed or its market value; articles and results near the alert are its tag. A share that trades for more than the
    limit of dollars is not watched, and a pump of less than a day is not seen. The limits are fixed: they follow from
    no budget of alerts and use none of it.
    Exceedance: up, the smaller of rise / limit and volume / limit; down, share given back / limit, plus 1; either ratio
    counts at most 2, and a close below 5 dollars adds a half.

    Attributes:
        rise: of the close over the lowest one that makes a pump, as a fraction.
        multiple: times the usual volume that makes a pump.
        turnover: dollars that the usual volume is worth at most.
        give_back: share of the rise whose loss makes a dump.
        cheap: price in dollars below which an alert is more severe.
        lookback: previous sessions of which the lowest close counts.
        usual: sessions before these whose median volume is usual.
        within: sessions after the pump in which a dump ends the episode.
    """

    name = "pump_and_dump"
    version = 1
    directions = ("up", "down")
    timespans = ("day",)
    threshold = "rise"
    rests_on = ("pump_rise", "pump_volume")
    memory: ClassVar[dict[str, str]] = {
        "pump_ts": "int64",
        "pump_revision": "uint32",
        "pump_low_ts": "int64",
        "pump_low_revision": "uint32",
        "pump_peak_ts": "int64",
        "pump_peak_revision": "uint32",
        "pump_low": "float64",
        "pump_peak": "float64",
        "pump_left": "int32",
        "pump_waits": "bool",
    }

    rise: float = 0.15
    multiple: float = 5.0
    turnover: float = 5e6
    give_back: float = 0.5
    cheap: float = 5.0
    lookback: Structural[int] = 5
    usual: Structural[int] = 15
    within: Structural[int] = 10

    @property
    def context(self) -> int:
        return self.lookback + self.usual

    def measure(self, scan: Scan) -> None:
        rise, own = scan.new_measure("pump_rise", "", self.context), self.series_of(scan)
        if not own.any():
            return
        volume, turnover = (scan.new_measure(name, "", self.context) for name in ("pump_volume", "pump_turnover"))
        low, of = scan.new_measure("pump_lowest", "price"), scan.new_measure("pump_lowest_bar")
        _write_rises(
            scan.segments, own, scan.close, scan.volume, self.lookback, self.usual,
            rise, volume, turnover, low, of,
        )  # fmt: skip
        scan.reset_windows(self.context, rise, volume, turnover)

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        if not self.series_of(scan).any():
            return
        measures = scan.measures
        pumped = measures["pump_rise"] >= limits("rise")
        pumped &= measures["pump_volume"] >= limits("multiple")
        pumped &= measures["pump_turnover"] <= limits("turnover")
        fired, given_back = np.zeros(len(scan), np.int8), scan.new_measure("dump_given_back")
        *standing, left, waits = scan.remembered(self.memory)
        dumped = [
            scan.new_measure(f"dump_{name}", "price" if name in ("low", "peak") else "") for name in Episode._fields
        ]
        _follow_episodes(
            scan.segments, scan.bars.ts, scan.bars.revision, scan.close, pumped, measures["pump_lowest_bar"],
            limits("give_back"), self.within, Episode(*standing), left, waits, Episode(*dumped), given_back, fired,
        )  # fmt: skip
        cheap = CHEAP * (scan.bars.close < limits("cheap"))
        up, down = np.flatnonzero(fired == 1), np.flatnonzero(fired == -1)
        rise, given_back = measures["pump_rise"][up], given_back[down]
        beyond = np.minimum(
            _times(rise, limits("rise")[up]), _times(measures["pump_volume"][up], limits("multiple")[up])
        )
        yield Fired(up, rise, limits("rise")[up], scan.measured("pump_lowest", up), beyond + cheap[up], "up")
        limit = limits("give_back")[down]
        beyond = _times(given_back, limit) + FELL
        yield Fired(down, given_back, limit, scan.measured("dump_peak", down), beyond + cheap[down], "down")

    def first_bar(self, scan: Scan, index: int) -> int:
        return index if _is_dump(scan, index) else super().first_bar(scan, index)

    def earlier_bars(self, scan: Scan, index: int) -> list[BarStamp]:
        """Return the bars of the peak, of the pump and of the lowest close, where a dump rests on them."""
        if not _is_dump(scan, index):
            return []
        stamps = {_stamp(scan, index, part) for part in _STAMPS}
        return sorted(stamps, reverse=True)

    def statistic(self, evaluation: Evaluation) -> np.ndarray:
        return evaluation.measures["pump_rise"]

    def sentence(self, firing: Firing) -> str:
        closed, base = wording.prices(float(firing.scan.bars.close[firing.index]), firing.baseline)
        if firing.direction == "up":
            low = int(firing.measured("pump_lowest_bar"))
            rose, limit = wording.percents(firing.value, firing.threshold)
            times, multiple = wording.numbers(firing.measured("pump_volume"), firing.limits("multiple"))
            return (
                f"{firing.symbol} closed at {closed} on {firing.session_date}, {rose} above the lowest close of the "
                f"{self.lookback} sessions before ({base} on {firing.scan.session_date(low)}), on {times} times its "
                f"usual volume since then; the limits are {limit} and {multiple} times."
            )
        (low_price,) = wording.prices(float(firing.scan.measured("dump_low", np.array([firing.index]))[0]))
        gave, limit = wording.percents(firing.value, firing.threshold)
        low_date, peak_date, pump_date = (
            wording.date(_stamp(firing.scan, firing.index, part)[0]) for part in ("low", "peak", "pump")
        )
        return (
            f"{firing.symbol} closed at {closed} on {firing.session_date} and has given back {gave} of its rise from "
            f"{low_price} ({low_date}) to {base} ({peak_date}), within {self.within} sessions of the pump on "
            f"{pump_date}; the limit is {limit}."
        )


def _is_dump(scan: Scan, index: int) -> bool:
    return not np.isnan(scan.measures["dump_given_back"][index])


def _stamp(scan: Scan, index: int, part: str) -> BarStamp:
    start, revision = (int(scan.measures[f"dump_{part}_{name}"][index]) for name in ("ts", "revision"))
    return start, revision


def _times(value: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Divide a value by its limit, to at most ``MOST``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.minimum(np.where(limit > 0, value / limit, MOST), MOST)


@njit(cache=True)
def _write_rises(segments, own, close, volume, lookback, usual, rise, times, turnover, lowest, lowest_bar):
    """Write how far each close is above the lowest one before it, and on how much of the usual volume."""
    for s in range(len(segments.start)):
        if not own[s]:
            continue
        for i in range(max(segments.evaluate_from[s], segments.start[s] + lookback + usual), segments.end[s]):
            low = i - lookback
            for j in range(i - lookback, i):
                if close[j] <= close[low]:
                    low = j
            before = np.median(volume[i - lookback - usual : i - lookback])
            total = 0.0
            for j in range(low + 1, i + 1):
                total += volume[j]
            lowest[i], lowest_bar[i] = close[low], low
            if before > 0.0:
                rise[i], times[i] = close[i] / close[low] - 1.0, total / (i - low) / before
                turnover[i] = before * close[low]


@njit(cache=True)
def _write_episode(to, at, pump, pump_revision, bottom, bottom_revision, top, top_revision, low, peak):
    to.pump_ts[at], to.pump_revision[at] = pump, pump_revision
    to.low_ts[at], to.low_revision[at] = bottom, bottom_revision
    to.peak_ts[at], to.peak_revision[at] = top, top_revision
    to.low[at], to.peak[at] = low, peak


@njit(cache=True)
def _follow_episodes(
    segments, ts, revision, close, pumped, lowest_bar, give_back, within, standing, lasts, waiting, dumped,
    given_back, fired,
):  # fmt: skip
    """Write 1 into ``fired`` where an episode begins, -1 where it ends with a dump, and what that one rests on.

    Of each series ``lasts`` has the sessions that its episode may still last, ``waiting`` whether the rule waits for a
    session without a pump.
    """
    for s in range(len(segments.start)):
        row, revisable, end = segments.state_row[s], segments.revisable_from[s], segments.end[s]
        pump, pump_revision = standing.pump_ts[row], standing.pump_revision[row]
        bottom, bottom_revision = standing.low_ts[row], standing.low_revision[row]
        top, top_revision = standing.peak_ts[row], standing.peak_revision[row]
        low, peak, left, waits = standing.low[row], standing.peak[row], lasts[row], waiting[row]
        for i in range(segments.evaluate_from[s], end + 1):
            if i == revisable:
                _write_episode(
                    standing, row, pump, pump_revision, bottom, bottom_revision, top, top_revision, low, peak
                )
                lasts[row], waiting[row] = left, waits
            if i == end:
                break
            if left > 0:
                left -= 1
                if close[i] > peak:
                    peak, top, top_revision = close[i], ts[i], revision[i]
                gone = (peak - close[i]) / (peak - low) if peak > low else 0.0
                if gone > 0.0 and gone >= give_back[i]:
                    fired[i], left, given_back[i] = -1, 0, gone
                    _write_episode(
                        dumped, i, pump, pump_revision, bottom, bottom_revision, top, top_revision, low, peak
                    )
                waits = left == 0
            elif pumped[i] and not waits:
                at = int(lowest_bar[i])
                fired[i], left = 1, within
                pump, pump_revision, top, top_revision = ts[i], revision[i], ts[i], revision[i]
                bottom, bottom_revision, low, peak = ts[at], revision[at], close[at], close[i]
            if not pumped[i] and left == 0:
                waits = False
