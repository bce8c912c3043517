"""Where each bar lies in the trading calendar: session, phase, regular or not, New York date, slot of the session."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from include.surveillance.sessions import POST_MS, PRE_MS, Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS, NEW_YORK, SPAN_MS

PHASES = ("pre", "regular", "post", "closed")
PRE, REGULAR, POST, CLOSED = range(4)
EPOCH, FIRST, LAST = date(1970, 1, 1), date(1990, 1, 1), date(2100, 1, 1)
FIRST_ORDINAL = (FIRST - EPOCH).days
# The literal gap rule names New York's clock, also on half-days.
CLOCK_OPEN_MS, CLOCK_CLOSE_MS = 570 * MINUTE_MS, 960 * MINUTE_MS


class Positions(NamedTuple):
    """Positions of bars in the calendar, one array element per bar.

    Attributes:
        session: days from 1970-01-01 to the session's date, from pre-market to post-market alike; -1 before the
            calendar begins; int32.
        phase: index into PHASES, uint8.
        regular: part of the regular session, or a longer bar that holds its open, or a day bar; bool.
        slot: slot of the regular session, see ``slot_at``; -1 outside; int16.
        date: days from 1970-01-01 to the New York date of the bar's start, int32.
        clock_regular: as ``regular`` by New York's clock, 09:30 to 16:00, where the calendar is XNYS; bool.
    """

    session: np.ndarray
    phase: np.ndarray
    regular: np.ndarray
    slot: np.ndarray
    date: np.ndarray
    clock_regular: np.ndarray


class Position(NamedTuple):
    """The position of one bar or of one moment; fields as in Positions."""

    session: int
    phase: int
    date: int


class _Days(NamedTuple):
    """Opens, closes and ordinals of the sessions, and New York's midnights from FIRST on; times in epoch ms."""

    opens: np.ndarray
    closes: np.ndarray
    ordinals: np.ndarray
    midnights: np.ndarray


class TradingCalendar:
    """One calendar's sessions, in which bars are located.

    Attributes:
        by_clock: New York's clock counts, not the sessions alone.
        session_minutes: length of a full session; half-days are shorter.
        locate: (start in UTC epoch ms, timespan) of one bar -> its position; a moment is a minute.
    """

    def __init__(self, sessions: Sessions):
        self.sessions = sessions
        self.by_clock = sessions.calendar == "XNYS"
        opens, closes, ordinals = sessions.arrays()
        self._days = _Days(opens, closes, ordinals, _midnights() + sessions.shift_ms)
        lengths, counts = np.unique(closes - opens, return_counts=True)
        self.session_minutes = int(lengths[np.argmax(counts)]) // MINUTE_MS
        # The watermarks of one poll share a moment.
        self.locate = lru_cache(maxsize=1024)(self._locate)

    def locate_bars(self, ts: np.ndarray, start: np.ndarray, end: np.ndarray, timespans: list[str]) -> Positions:
        """Locate the bars that start at ``ts`` (UTC epoch ms, int64).

        Args:
            start, end: per segment, its bars [start, end); they are sorted by time and share a timespan.
            timespans: per segment.
        """
        dtypes = (np.int32, np.uint8, np.bool_, np.int16, np.int32, np.bool_)
        positions = Positions(*(np.empty(len(ts), dtype) for dtype in dtypes))
        span = np.array([SPAN_MS[timespan] for timespan in timespans], dtype=np.int64)
        full_ms = self.session_minutes * MINUTE_MS
        _locate(ts, start, end, span, self._days, self.sessions.extended, self.by_clock, full_ms, positions)
        return positions

    def _locate(self, ts_ms: int, timespan: str = "minute") -> Position:
        one = self.locate_bars(np.array([ts_ms]), np.array([0]), np.array([1]), [timespan])
        return Position(int(one.session[0]), int(one.phase[0]), int(one.date[0]))


@cache
def iso_date(ordinal: int) -> str:
    """Write days since 1970-01-01 as YYYY-MM-DD; empty before the calendar begins."""
    return str(EPOCH + timedelta(days=ordinal)) if ordinal >= 0 else ""


def date_ordinal(iso: str) -> int:
    """Count the days from 1970-01-01 to a date YYYY-MM-DD."""
    return (date.fromisoformat(iso) - EPOCH).days


@cache
def _midnights() -> np.ndarray:
    days = (FIRST + timedelta(days=day) for day in range((LAST - FIRST).days))
    return np.array(
        [round(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * 1000 for day in days],
        dtype=np.int64,
    )


# One kernel on purpose, and its arrays are local names: a helper that takes the named tuples costs twice the time.
@njit(cache=True)
def _locate(ts, start, end, span, days, extended, by_clock, full_ms, positions):
    opens, closes, ordinals, midnights = days
    session, phase, regular, slot, date_, clock_regular = positions
    last = len(opens) - 1
    for s in range(len(start)):
        if start[s] == end[s]:
            continue
        width = span[s]
        # The latest session that has opened, and the latest midnight.
        at = np.searchsorted(opens, ts[start[s]], side="right") - 1
        night = max(np.searchsorted(midnights, ts[start[s]], side="right") - 1, 0)
        nominal = -(-full_ms // width)
        counted, spans = -1, 0
        for i in range(start[s], end[s]):
            begin = ts[i]
            while at < last and opens[at + 1] <= begin:
                at += 1
            while night + 1 < len(midnights) and midnights[night + 1] <= begin:
                night += 1
            own = at
            if at >= 0 and begin < closes[at]:
                phase[i] = REGULAR
            elif width == DAY_MS or (at < last and opens[at + 1] < begin + width):
                phase[i], own = REGULAR, min(at + 1, last)
            elif extended and at >= 0 and begin < closes[at] + POST_MS:
                phase[i] = POST
            elif extended and at < last and begin >= opens[at + 1] - PRE_MS:
                phase[i], own = PRE, at + 1
            else:
                phase[i] = CLOSED
            regular[i] = phase[i] == REGULAR
            session[i] = ordinals[own] if own >= 0 else -1
            date_[i] = FIRST_ORDINAL + night
            clock_regular[i] = _regular_by_clock(begin - midnights[night], width) if by_clock else regular[i]
            slot[i] = -1
            if regular[i]:
                # Aligned to the open, a bar that starts before it holds the open and is the first.
                k = 0 if width == DAY_MS else -((opens[own] - begin) // width)
                if own != counted:
                    counted, spans = own, -(-(closes[own] - opens[own]) // width)
                slot[i] = slot_at(min(max(k, 0), spans - 1), spans, nominal)


@njit(cache=True)
def _regular_by_clock(clock, width):
    """Whether a bar that starts ``clock`` ms after midnight is regular, or holds the open."""
    return width == DAY_MS or CLOCK_OPEN_MS <= clock < CLOCK_CLOSE_MS or clock < CLOCK_OPEN_MS < clock + width


GROUPED_ABOVE = 100  # bars of a full session
EDGE, GROUP = 10, 5


@njit(cache=True)
def slot_at(k: int, bars_in_session: int, nominal_bars: int) -> int:
    """Slot of the ``k``-th bar (from 0) of a session.

    Args:
        k: counts spans, not present bars; 0 is the bar that holds the open.
        bars_in_session: spans in this session; fewer than ``nominal_bars`` on a half-day.
        nominal_bars: spans in a full session.

    Returns:
        0 to ``slot_count - 1``; -1 where ``k`` lies outside the session.
    """
    if k < 0 or k >= bars_in_session:
        return -1
    from_close = bars_in_session - 1 - k
    if nominal_bars <= GROUPED_ABOVE:
        # The closing auction is the last bar of a half-day too.
        return nominal_bars - 1 if from_close == 0 else min(k, nominal_bars - 1)
    groups = -((2 * EDGE - nominal_bars) // GROUP)
    if from_close < EDGE:
        return 2 * EDGE + groups - 1 - from_close
    if k < EDGE:
        return k
    return EDGE + min((k - EDGE) // GROUP, groups - 1)


def nominal_bars(timespan: str, nominal_minutes: int) -> int:
    """Count the spans in a full session of ``nominal_minutes``: 390 at XNYS, 1440 where the market never closes."""
    return -(-nominal_minutes * MINUTE_MS // SPAN_MS[timespan])


def slot_count(timespan: str, nominal_minutes: int) -> int:
    """Count the slots in a full session."""
    bars = nominal_bars(timespan, nominal_minutes)
    return slot_at(bars - 1, bars, bars) + 1


def bars_per_slot(timespan: str, nominal_minutes: int) -> list[int]:
    """Count the spans of a full session that each slot holds."""
    bars = nominal_bars(timespan, nominal_minutes)
    widths = [0] * slot_count(timespan, nominal_minutes)
    for k in range(bars):
        widths[slot_at(k, bars, bars)] += 1
    return widths
