"""Outcomes: which return and which volume followed a moment, against the benchmark and against what is usual.

Every price is the close of the last bar that was known at its moment, of the moment's own session. Prices and volumes
are adjusted for splits, not for dividends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.findings import Evaluation
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS, SPAN_MS

USUAL_SESSIONS, FEWEST_SESSIONS = 20, 3
"""Of how many earlier sessions the median is what is usual, at most and at least."""
SPY = "SPY"
MISSING = ("", "beyond the data", "past the session", "no bar", "no benchmark")
"""Why there is no abnormal return; the first stands for none of these reasons."""
_BEYOND, _PAST, _NO_BAR, _NO_BENCHMARK = range(1, len(MISSING))
_CODE_BITS = 43  # above these a key has the series, in them the time: enough for epoch ms up to the year 2248
_BLOCK = 4096  # rows whose benchmark is computed at once: memory is this times the symbols


class Horizon(NamedTuple):
    """A length of time after an alert: minutes, or, where they are 0, up to a close so many sessions later."""

    name: str
    minutes: int
    sessions: int


INTRADAY = (
    Horizon("5 min", 5, 0),
    Horizon("30 min", 30, 0),
    Horizon("close", 0, 0),
    Horizon("next close", 0, 1),
)
DAILY = (Horizon("next close", 0, 1), Horizon("5 sessions", 0, 5))
HORIZONS = tuple(dict.fromkeys(it.name for it in (*INTRADAY, *DAILY)))


def list_horizons(timespan: str) -> tuple[Horizon, ...]:
    """Return the horizons that bars of a timespan can tell of."""
    if timespan == "day":
        return DAILY
    return tuple(it for it in INTRADAY if not it.minutes or it.minutes * MINUTE_MS >= SPAN_MS[timespan])


@dataclass(frozen=True)
class Market:
    """Recorded bars, sorted by series and time, laid out so that prices and volumes are looked up by time.

    Attributes:
        keys: (symbol, timespan) of each series.
        code: index into ``keys``, per bar, int64.
        ends: when each bar is known, UTC epoch ms: its end, but no later than its session's close where it has begun
            before; so a day bar is known at the close. int64.
        log_close: per bar, adjusted for splits.
        traded: shares traded before each bar, and behind the last one, adjusted for splits.
        session: per bar, index into the calendar's sessions.
        firsts, opens, closes, lasts: of the calendar's sessions, UTC epoch ms, with pre- and post-market around.
    """

    keys: list[SeriesKey]
    code: np.ndarray
    ends: np.ndarray
    log_close: np.ndarray
    traded: np.ndarray
    session: np.ndarray
    firsts: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    lasts: np.ndarray

    @classmethod
    def from_evaluation(cls, evaluation: Evaluation, sessions: Sessions) -> Market:
        """Lay out the bars of a pass."""
        scan = evaluation.scan
        opens, closes, ordinals = sessions.arrays()
        firsts, lasts = sessions.edges()
        segments = scan.segments
        code = np.repeat(np.arange(len(segments.end)), segments.end - segments.start)
        keys = scan.bars.keys[: len(segments.end)]
        spans = np.array([SPAN_MS[timespan] for _, timespan in keys], dtype=np.int64)
        session = np.searchsorted(ordinals, scan.positions.session)
        ends = scan.bars.ts + spans[code]
        ends = np.where(scan.positions.regular, np.minimum(ends, closes[session]), ends)
        traded = np.concatenate([[0.0], np.cumsum(scan.volume)])
        return cls(keys, code, ends, np.log(scan.close), traded, session, firsts, opens, closes, lasts)

    def find_last(self, code: np.ndarray | np.int64, at_ms: np.ndarray) -> np.ndarray:
        """Return the index of the last bar of each series that is known at each time.

        Where there is none, it is the one before the series' first, so that volumes can still be subtracted.
        """
        return np.searchsorted(self._key, (code << _CODE_BITS) | at_ms, side="right") - 1

    def sessions_at(self, at_ms: np.ndarray) -> np.ndarray:
        """Return the session, pre- and post-market included, in which each time lies; a session owns its end."""
        return np.searchsorted(self.firsts, at_ms, side="left") - 1

    def log_prices(self, code: np.ndarray, at_ms: np.ndarray) -> np.ndarray:
        """Return the log price of each series at each time; NaN where it has had no bar in the session so far."""
        last = self.find_last(code, at_ms)
        known = (last >= 0) & (self.code[last] == code) & (self.session[last] == self.sessions_at(at_ms))
        return np.where(known, self.log_close[last], np.nan)

    def shares_between(self, code: np.ndarray, after_ms: np.ndarray, until_ms: np.ndarray) -> np.ndarray:
        """Return the shares of bars that become known with after < time <= until."""
        return self.traded[self.find_last(code, until_ms) + 1] - self.traded[self.find_last(code, after_ms) + 1]

    def reach_ms(self, timespan: str) -> int:
        """Return when the last bar of a timespan is known."""
        return int(self.ends[np.isin(self.code, self.series_of(timespan))].max())

    def series_of(self, timespan: str) -> np.ndarray:
        """Return the codes of a timespan's series."""
        return np.array([code for code, key in enumerate(self.keys) if key[1] == timespan], dtype=np.int64)

    @cached_property
    def days(self) -> Days:
        """Return the sessions that each series has bars in."""
        first = np.flatnonzero(np.diff(self.code, prepend=-1) | np.diff(self.session, prepend=-1))
        code, session = self.code[first], self.session[first]
        return Days(code, session, self.shares_between(code, self.opens[session], self.closes[session]))

    @cached_property
    def _key(self) -> np.ndarray:
        return (self.code << _CODE_BITS) | self.ends


class Days(NamedTuple):
    """One element per series and session with bars, sorted by both: the session's number and its regular volume."""

    code: np.ndarray
    session: np.ndarray
    shares: np.ndarray

    def find(self, code: np.ndarray, session: np.ndarray) -> np.ndarray:
        """Return the position of each series' first session that is not before the given one."""
        return np.searchsorted(self.code << 32 | self.session, code << 32 | session)


class Outcomes(NamedTuple):
    """What followed moments up to one horizon, one element per moment, NaN where it is not known.

    Attributes:
        until_ms: the horizon's end, UTC epoch ms.
        entry, exit: prices in dollars, adjusted for splits.
        log_return, benchmark, abnormal: log returns of the series, of the benchmark, and their difference.
        volume: shares from the moment to the horizon / usual ones.
        missing: index into ``MISSING``.
    """

    until_ms: np.ndarray
    entry: np.ndarray
    exit: np.ndarray
    log_return: np.ndarray
    benchmark: np.ndarray
    abnormal: np.ndarray
    volume: np.ndarray
    missing: np.ndarray


def name_benchmark(market: Market, timespan: str) -> str:
    """Say against what returns of a timespan are held."""
    if (SPY, timespan) in market.keys:
        return SPY
    others = len(market.series_of(timespan)) - 1
    symbols = f"{others:,} other symbols" if others > 1 else "other symbol"
    return f"the median of the {symbols} in the files" if others else ""


def measure_outcomes(market: Market, code: np.ndarray, known_ms: np.ndarray, horizon: Horizon) -> Outcomes:
    """Measure what followed moments of series of one timespan.

    The abnormal return is the log return less that of the benchmark over the same time: of SPY if it is among the bars,
    else the median of the file's other symbols; where there is no other, nothing.

    Args:
        code: of each moment's series.
        known_ms: the moments, at which the series' own price is that of a bar of the session.
    """
    timespan = market.keys[code[0]][1] if len(code) else "day"
    session = market.sessions_at(known_ms)
    target = np.minimum(session + horizon.sessions, len(market.closes) - 1)
    until_ms = known_ms + horizon.minutes * MINUTE_MS if horizon.minutes else market.closes[target]
    limit_ms = np.where(known_ms < market.closes[session], market.closes[session], market.lasts[session])
    past = (until_ms > limit_ms) & (horizon.sessions == 0) | (until_ms <= known_ms)
    beyond = until_ms > (market.reach_ms(timespan) if len(code) else 0)
    entry, exit_ = market.log_prices(code, known_ms), market.log_prices(code, until_ms)
    log_return = np.where(past | beyond, np.nan, exit_ - entry)
    benchmark = np.full(len(code), np.nan)
    asked = np.flatnonzero(~np.isnan(log_return))
    benchmark[asked] = _measure_benchmark(market, timespan, code[asked], known_ms[asked], until_ms[asked])
    abnormal = log_return - benchmark
    missing = np.select(
        [past, beyond, np.isnan(log_return), np.isnan(abnormal)], [_PAST, _BEYOND, _NO_BAR, _NO_BENCHMARK], 0
    )
    volume = np.where(past | beyond, np.nan, _measure_volume(market, code, known_ms, until_ms, session, horizon))
    return Outcomes(
        until_ms, np.exp(entry), np.exp(np.where(past | beyond, np.nan, exit_)), log_return, benchmark, abnormal,
        volume, missing,
    )  # fmt: skip


def _measure_benchmark(
    market: Market, timespan: str, code: np.ndarray, known_ms: np.ndarray, until_ms: np.ndarray
) -> np.ndarray:
    """Return the benchmark's log return over each moment's time; NaN for the benchmark itself."""
    series = market.series_of(timespan)
    if len(series) == 1:
        return np.zeros(len(code))
    if (SPY, timespan) in market.keys:
        series = np.array([market.keys.index((SPY, timespan))])
    benchmark = np.empty(len(code))
    for rows in _cut(np.argsort(known_ms, kind="stable")):
        moments, place = np.unique([known_ms[rows], until_ms[rows]], return_inverse=True)
        prices = market.log_prices(series, moments[:, None])
        place = place.reshape(2, -1)
        returns = prices[place[1]] - prices[place[0]]
        returns[series == code[rows, None]] = np.nan
        benchmark[rows] = _median_of_rows(returns)
    return benchmark


def _measure_volume(
    market: Market,
    code: np.ndarray,
    known_ms: np.ndarray,
    until_ms: np.ndarray,
    session: np.ndarray,
    horizon: Horizon,
) -> np.ndarray:
    """Return the shares from each moment to the horizon / the usual ones of the same times of day.

    What is usual of the rest of the session, and of a whole session, is the median of up to ``USUAL_SESSIONS`` earlier
    sessions of the series.
    """
    days, opens = market.days, market.opens
    rest_ms = until_ms if not horizon.sessions else np.maximum(known_ms, market.closes[session])
    target = np.minimum(session + horizon.sessions, len(opens) - 1)
    traded = market.shares_between(code, known_ms, rest_ms)
    if horizon.sessions:
        next_ = np.minimum(session + 1, len(opens) - 1)
        traded = traded + market.shares_between(code, opens[next_], market.closes[target])
    usual = np.empty(len(code))
    for rows in _cut(np.arange(len(code))):
        day = days.find(code[rows], session[rows])[:, None] - np.arange(1, USUAL_SESSIONS + 1)
        earlier, day = day >= 0, np.maximum(day, 0)
        earlier &= days.code[day] == code[rows, None]
        shift = opens[days.session[day]] - opens[session[rows, None]]
        rest = market.shares_between(code[rows, None], known_ms[rows, None] + shift, rest_ms[rows, None] + shift)
        usual[rows] = _median_of_rows(np.where(earlier, rest, np.nan))
        if horizon.sessions:
            usual[rows] += horizon.sessions * _median_of_rows(np.where(earlier, days.shares[day], np.nan))
        usual[rows] = np.where(earlier.sum(axis=1) >= FEWEST_SESSIONS, usual[rows], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usual > 0, traded / usual, np.nan)


def _cut(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK))


def _median_of_rows(values: np.ndarray) -> np.ndarray:
    """Return the median of what is known in each row; NaN where nothing is."""
    values = np.sort(values, axis=1)  # NaN comes last
    known = np.count_nonzero(~np.isnan(values), axis=1)
    rows = np.arange(len(values))
    return (values[rows, (known - 1) // 2] + values[rows, known // 2]) / 2
