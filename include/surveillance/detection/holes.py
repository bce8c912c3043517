"""Holes: bars that are missing though the symbol usually has them, and what is known of why.

One place for the live classifier of a symbol's own silence, which every alert asks, and for the words that
``missing_minutes`` uses, which sees all symbols at once. What one series tells is less: a gap of the provider looks
like a halt that ends without a move, so such a silence stays unexplained.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple

import numpy as np

from include.surveillance.alerts import wording
from include.surveillance.detection.logarithms import log1p
from include.surveillance.detection.positions import Positions, TradingCalendar, iso_date
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.scan import Scan
from include.surveillance.records import HoleCause
from include.surveillance.timespans import DAY_MS, MINUTE_MS

IMPROBABLE = 1e-4
"""A silence less probable than this is no lack of trades."""
MOST_PRESENT = 0.99
"""Share of its bars that a symbol has at most: one that never misses a bar yet may."""
HALT_MINUTES = 5
"""Of silence from which on it may be a halt, the shortest at US exchanges."""

_BARS_AFTER = 5  # a hole explains alerts at the first bars after it
_BARS_BEFORE = 15  # that say how often a symbol without a profile trades
_PAUSE_MINUTES = 10  # a pause takes five minutes, and may be made longer once
_REOPENING_VOLUME = 3.0  # times the mean bar before: the auction that ends a halt
_LEAST_BAND = 0.05
_LONGEST = 3 * 1440  # bars of silence that are looked at one by one


Outage = tuple[int, int]
"""From when to when, UTC epoch ms, no live poll asked for the bars of a series."""


class Hole(NamedTuple):
    """A silence of one series and its cause, in UTC epoch ms: from the end of the bar before to the bar after.

    Of missing sessions: from the open of the first to the close of the last. ``dates`` are those of the two bars, or of
    the first and the last session that is missing.
    """

    cause: HoleCause
    start_ms: int
    end_ms: int
    dates: tuple[str, str] = ("", "")

    def describe(self) -> str:
        """Say it as a part of a sentence about the bars after it."""
        if self.cause == "missing sessions":
            first, last = self.dates
            which = f"the session {first}" if first == last else f"the sessions {first} to {last}"
            return f"there is no bar of {which} in between"
        first, last = self.dates
        when = wording.between(self.start_ms, self.end_ms)
        if first != last:
            when = f"from {wording.clock(self.start_ms)} on {first} to {wording.clock(self.end_ms)} on {last}"
        if self.cause == "LULD pause":
            return f"it traded again after what looks like a LULD pause {when}"
        if self.cause == "halt":
            return f"it traded again after what looks like a halt {when}"
        if self.cause == "our outage":
            return f"nobody asked for its bars {when}: an outage of our own"
        return f"bars that it usually has are missing {when}"


class _Last(NamedTuple):
    """The bar before a silence: its start, session and close in the scan's shares; ``row`` where the scan holds it."""

    ts_ms: int
    session: int
    close: float
    row: int | None


def find_hole(
    scan: Scan, calendar: TradingCalendar, index: int, presence: Sequence[float] | None, outage: Outage | None
) -> Hole | None:
    """Find the hole in a series that alerts at one of its bars must name; None when none is near.

    At a session's first regular bar that is the silence since the last regular one, whatever has traded in between;
    elsewhere one before the bar or before one of the four bars that came before it.

    Args:
        index: of the bar in the scan.
        presence: the profile's share of bars that exist, by slot; None without a profile: then the bars before the
            silence say how often the symbol trades.
        outage: the latest of our own that is known.
    """
    previous_ms = scan.measures["previous_ts"][index]
    if previous_ms == previous_ms:
        session, close = (float(scan.measures[name][index]) for name in ("previous_session", "previous_close"))
        last = _Last(int(previous_ms), int(session), close, None)
        if hole := _judge_silence(scan, calendar, last, index, presence, outage, regular=True):
            return hole
    start = int(scan.segments.start[scan.segment(index)])
    for after in range(index, max(index - _BARS_AFTER, start), -1):
        row = after - 1
        last = _Last(int(scan.bars.ts[row]), int(scan.positions.session[row]), float(scan.close[row]), row)
        if hole := _judge_silence(scan, calendar, last, after, presence, outage, regular=False):
            return hole
    return None


def mark_reopenings(scan: Scan, calendar: TradingCalendar, profiles: ProfileColumns) -> None:
    """Write the measure ``reopened``: 1 at the first bar after a halt that moved the price out of its band, else NaN.

    The minutes of a halt have no shares, so that the volume of the last five minutes is small after it: a rule that
    asks for volume must not take that for quiet trading. Bars with a profile alone are looked at.
    """
    reopened = scan.new_measure("reopened")
    ts, session, close = scan.bars.ts, scan.positions.session, scan.close
    silent = np.flatnonzero((ts[1:] - ts[:-1] >= HALT_MINUTES * MINUTE_MS) & (scan.profile[1:] >= 0)) + 1
    silent = silent[(session[silent] == session[silent - 1]) & (scan.bars.code[silent] == scan.bars.code[silent - 1])]
    moved = np.maximum(np.abs(scan.open[silent] / close[silent - 1] - 1), np.abs(close[silent] / close[silent - 1] - 1))
    for i in silent[moved >= _LEAST_BAND].tolist():
        last = _Last(int(ts[i - 1]), int(session[i - 1]), float(close[i - 1]), i - 1)
        # Profiles whose tails are being carried are no records yet.
        number = scan.profile[i]
        presence = profiles.presence[number, : profiles.slots[number]].tolist()
        hole = _judge_silence(scan, calendar, last, i, presence, None, regular=False)
        if hole is not None and hole.cause != "unknown":
            reopened[i] = 1.0


def _judge_silence(
    scan: Scan,
    calendar: TradingCalendar,
    last: _Last,
    after: int,
    presence: Sequence[float] | None,
    outage: Outage | None,
    *,
    regular: bool,
) -> Hole | None:
    """Judge the silence between two bars of a series; of the regular sessions alone, or of the whole day."""
    timespan, span = scan.bars.key(after)[1], int(scan.span[scan.segment(after)])
    first_ms, end_ms = last.ts_ms + span, int(scan.bars.ts[after])
    if end_ms - first_ms < min(span, HALT_MINUTES * MINUTE_MS):
        return None
    if last.session < 0:
        return None
    dates = iso_date(last.session), iso_date(int(scan.positions.session[after]))
    if absent := calendar.sessions.between(*dates):
        whole = absent[0].date, absent[-1].date
        return Hole("missing sessions", absent[0].open_ms, absent[-1].close_ms, whole)
    starts = np.arange(first_ms, end_ms, span)
    if span >= DAY_MS or len(starts) * span < HALT_MINUTES * MINUTE_MS or len(starts) > _LONGEST:
        return None
    places = calendar.locate_bars(starts, np.zeros(1, np.int64), np.full(1, len(starts)), [timespan])
    usual = np.minimum(_usual_presence(scan, last.row, places, presence), MOST_PRESENT)
    usual = np.where(places.regular if regular else places.slot >= 0, usual, 0.0)
    if not _is_improbable(usual, span):
        return None
    asked = np.ones(len(starts), bool) if outage is None else (starts < outage[0]) | (starts >= outage[1])
    if not _is_improbable(usual[asked], span):
        return Hole("our outage", first_ms, end_ms, dates)
    return Hole(_cause_of(scan, last, after, len(starts) * span // MINUTE_MS), first_ms, end_ms, dates)


def _is_improbable(usual: np.ndarray, span: int) -> bool:
    """Say whether a silence of bars that usually exist is long, and less probable than any lack of trades."""
    return bool((usual > 0).sum() * span >= HALT_MINUTES * MINUTE_MS and log1p(-usual).sum() < log(IMPROBABLE))


def _usual_presence(scan: Scan, before: int | None, places: Positions, presence: Sequence[float] | None) -> np.ndarray:
    """Return the share of its bars that the symbol usually has at each place."""
    if presence is not None:
        known = np.append(np.asarray(presence, dtype=float), 0.0)
        return known[np.where((places.slot >= 0) & (places.slot < len(presence)), places.slot, -1)]
    none = np.zeros(len(places.slot))
    if before is None or not scan.positions.regular[before]:
        return none
    segment, first = scan.segment(before), before - _BARS_BEFORE
    if first < scan.segments.start[segment] or scan.positions.session[first] != scan.positions.session[before]:
        return none
    spans = (int(scan.bars.ts[before]) - int(scan.bars.ts[first])) // int(scan.span[segment])
    return np.where(places.regular, _BARS_BEFORE / spans, 0.0)


def _cause_of(scan: Scan, last: _Last, after: int, minutes: int) -> HoleCause:
    """Say what a silence that is no lack of trades looks like from how it ended."""
    band = _least_band(float(scan.prices_today(np.array([last.close]), np.array([after]))[0]))
    moves = [abs(float(price) / last.close - 1) for price in (scan.open[after], scan.close[after])]
    if last.session != scan.positions.session[after]:
        return "halt" if max(moves) >= band else "unknown"
    if minutes <= _PAUSE_MINUTES and scan.positions.regular[after] and last.row is not None:
        earlier = max(last.row - HALT_MINUTES, int(scan.segments.start[scan.segment(after)]))
        moves.append(abs(last.close / float(scan.open[earlier]) - 1))
        if max(moves) >= band:
            return "LULD pause"
    if max(moves) >= band:
        return "halt"
    auction = scan.volume[after] >= _REOPENING_VOLUME * scan.measures["volume_mean"][after]
    return "halt" if auction else "unknown"


def _least_band(price: float) -> float:
    """Return the narrowest band of limit up, limit down at a price, as a fraction of it.

    Which of the two tiers a symbol belongs to is not known; tier 1 has the narrower band.
    """
    if price > 3.0:
        return _LEAST_BAND
    return 0.20 if price >= 0.75 else min(0.15 / price, 0.75)
