"""Where each bar lies in the trading calendar: session, phase, regular or not, New York date, slot of the session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit

from include.surveillance.records import SPAN_MS
from include.surveillance.sessions import MINUTE_MS, NEW_YORK, POST_MS, PRE_MS, Sessions

PHASES = ("pre", "regular", "post", "closed")
PRE, REGULAR, POST, CLOSED = range(4)
DAY_MS = 86_400_000
_FIRST = date(1990, 1, 1)
_LAST = date(2100, 1, 1)
# The literal gap rule names New York's clock, also on half-days.
_CLOCK_OPEN_MS, _CLOCK_CLOSE_MS = 570 * MINUTE_MS, 960 * MINUTE_MS


@dataclass(frozen=True)
class Places:
    """One element per bar.

    Attributes:
        session: days from 1970-01-01 to the session's date, from pre-market to post-market alike; int32.
        phase: index into PHASES, uint8.
        regular: part of the regular session, or a longer bar that holds its open, or a day bar; bool.
        slot: slot of the regular session, see ``slots``; -1 outside; int16.
        date: days from 1970-01-01 to the New York date of the bar's start, int32.
        clock_regular: as ``regular`` by New York's clock, 09:30 to 16:00, where the calendar is XNYS; bool.
    """

    session: np.ndarray
    phase: np.ndarray
    regular: np.ndarray
    slot: np.ndarray
    date: np.ndarray
    clock_regular: np.ndarray


class Spot(NamedTuple):
    """Where a single moment lies; fields as in Places."""

    session: int
    phase: int
    date: int


class Placing:
    """Bars -> places of one calendar."""

    def __init__(self, sessions: Sessions):
        self.sessions = sessions
        self.by_clock = sessions.calendar == "XNYS"
        opens, closes, days = sessions.arrays()
        self._opens, self._closes, self._days = opens, closes, days
        self._midnights = _midnights() + sessions.shift_ms
        # Full sessions have the calendar's usual length; half-days are shorter.
        lengths, counts = np.unique(closes - opens, return_counts=True)
        self.session_minutes = int(lengths[np.argmax(counts)]) // MINUTE_MS

    def place(self, ts: np.ndarray, lo: np.ndarray, hi: np.ndarray, timespans: list[str]) -> Places:
        """Places of bars in segments ``[lo, hi)`` that are sorted by time and share a timespan each."""
        n = len(ts)
        places = Places(
            np.empty(n, np.int32),
            np.empty(n, np.uint8),
            np.empty(n, bool),
            np.empty(n, np.int16),
            np.empty(n, np.int32),
            np.empty(n, bool),
        )
        span = np.array([SPAN_MS[timespan] for timespan in timespans], dtype=np.int64)
        _place(
            ts,
            lo,
            hi,
            span,
            self._opens,
            self._closes,
            self._days,
            self._midnights,
            _FIRST.toordinal() - date(1970, 1, 1).toordinal(),
            self.sessions.extended,
            self.by_clock,
            self.session_minutes * MINUTE_MS,
            places.session,
            places.phase,
            places.regular,
            places.slot,
            places.date,
            places.clock_regular,
        )
        return places

    def spot(self, ts_ms: int, timespan: str = "minute") -> Spot:
        """Of one bar, or of a moment."""
        one = self.place(np.array([ts_ms]), np.array([0]), np.array([1]), [timespan])
        return Spot(int(one.session[0]), int(one.phase[0]), int(one.date[0]))


@cache
def iso_date(ordinal: int) -> str:
    """YYYY-MM-DD of days since 1970-01-01; empty before the calendar begins."""
    return str(date(1970, 1, 1) + timedelta(days=ordinal)) if ordinal >= 0 else ""


def ordinal_of(iso: str) -> int:
    """Days from 1970-01-01 to a date YYYY-MM-DD."""
    return date.fromisoformat(iso).toordinal() - date(1970, 1, 1).toordinal()


@cache
def _midnights() -> np.ndarray:
    days = (_FIRST + timedelta(days=day) for day in range((_LAST - _FIRST).days))
    return np.array(
        [round(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * 1000 for day in days],
        dtype=np.int64,
    )


@njit(cache=True)
def _place(
    ts,
    lo,
    hi,
    span,
    opens,
    closes,
    days,
    midnights,
    first_day,
    extended,
    by_clock,
    full_ms,
    session,
    phase,
    regular,
    slot,
    ny_date,
    clock_regular,
):
    last = len(opens) - 1
    for s in range(len(lo)):
        if lo[s] == hi[s]:
            continue
        width = span[s]
        day_bars = width == DAY_MS
        at = np.searchsorted(opens, ts[lo[s]], side="right") - 1
        day = max(np.searchsorted(midnights, ts[lo[s]], side="right") - 1, 0)
        nominal = -(-full_ms // width)
        counted, bars = -1, 0
        for i in range(lo[s], hi[s]):
            start = ts[i]
            while at < last and opens[at + 1] <= start:
                at += 1
            while day + 1 < len(midnights) and midnights[day + 1] <= start:
                day += 1
            within = at >= 0 and start < closes[at]
            holds_open = at < last and opens[at + 1] < start + width
            of = at
            if within:
                phase[i] = REGULAR
            elif day_bars or holds_open:
                phase[i] = REGULAR
                of = min(at + 1, last)
            elif extended and at >= 0 and start < closes[at] + POST_MS:
                phase[i] = POST
            elif extended and at < last and start >= opens[at + 1] - PRE_MS:
                phase[i] = PRE
                of = at + 1
            else:
                phase[i] = CLOSED
            regular[i] = phase[i] == REGULAR
            session[i] = days[of] if of >= 0 else -1
            ny_date[i] = first_day + day
            clock = start - midnights[day]
            if not by_clock:
                clock_regular[i] = regular[i]
            else:
                clock_regular[i] = (
                    day_bars or _CLOCK_OPEN_MS <= clock < _CLOCK_CLOSE_MS or clock < _CLOCK_OPEN_MS < clock + width
                )
            slot[i] = -1
            if regular[i]:
                # Aligned to the open, a bar that starts before it holds the open and is the first.
                k = 0 if day_bars else -((opens[of] - start) // width)
                if of != counted:
                    counted, bars = of, -(-(closes[of] - opens[of]) // width)
                slot[i] = slot_of(min(max(k, 0), bars - 1), bars, nominal)


GROUPED_ABOVE = 100  # bars of a full session
EDGE, GROUP = 10, 5


@njit(cache=True)
def slot_of(k: int, bars_in_session: int, nominal_bars: int) -> int:
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
    """Spans in a full session of ``nominal_minutes``: 390 at XNYS, 1440 where the market never closes."""
    return -(-nominal_minutes * MINUTE_MS // SPAN_MS[timespan])


def slot_count(timespan: str, nominal_minutes: int) -> int:
    """Slots in a full session."""
    bars = nominal_bars(timespan, nominal_minutes)
    return slot_of(bars - 1, bars, bars) + 1


def bars_per_slot(timespan: str, nominal_minutes: int) -> list[int]:
    """How many spans of a full session each slot holds."""
    bars = nominal_bars(timespan, nominal_minutes)
    widths = [0] * slot_count(timespan, nominal_minutes)
    for k in range(bars):
        widths[slot_of(k, bars, bars)] += 1
    return widths
