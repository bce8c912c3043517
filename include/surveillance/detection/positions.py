"""Where each bar lies in the trading calendar: session, phase, regular or not, New York date, slot of the profile."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit

from include.surveillance.detection.slots import Slots, bars_per_slot, lay_out_slots, slot_at
from include.surveillance.records import Profile
from include.surveillance.sessions import PHASES, Sessions
from include.surveillance.timespans import DAY_MS, MINUTE_MS, NEW_YORK, SPAN_MS

NOMINAL = Slots._fields.index("nominal")
PRE, OPENING, REGULAR, CLOSING, POST, CLOSED = range(len(PHASES))
EPOCH, FIRST, LAST = date(1970, 1, 1), date(1970, 1, 1), date(2100, 1, 1)
FIRST_ORDINAL = (FIRST - EPOCH).days


class Positions(NamedTuple):
    """Positions of bars in the calendar, one array element per bar.

    Attributes:
        session: days from 1970-01-01 to the session's date, from pre-market to post-market alike; -1 before the
            calendar begins; int32.
        phase: index into ``sessions.PHASES``, uint8. The auctions are minute bars; a longer bar that holds one belongs
            to the session or to the post-market.
        regular: part of the regular session, the opening auction included, or a longer bar that holds its open, or a
            day bar; bool.
        slot: slot of the profile, see ``slots``; -1 where the market is closed; int16.
        date: days from 1970-01-01 to the New York date of the bar's start; to that of the session where the market
            keeps another clock, and for a day bar that is not stamped with New York's midnight; int32.
    """

    session: np.ndarray
    phase: np.ndarray
    regular: np.ndarray
    slot: np.ndarray
    date: np.ndarray


class Position(NamedTuple):
    """The position of one bar or of one moment; fields as in Positions."""

    session: int
    phase: int
    date: int


class _Days(NamedTuple):
    """Sessions as ``Sessions.arrays`` and ``Sessions.edges`` have them, and New York's midnights from FIRST on."""

    first: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    end: np.ndarray
    ordinals: np.ndarray
    midnights: np.ndarray


class TradingCalendar:
    """One calendar's sessions, in which bars are located.

    Attributes:
        session_minutes: length of a full session; half-days are shorter.
        locate: (start in UTC epoch ms, timespan) of one bar -> its position; a moment is a minute.
    """

    def __init__(self, sessions: Sessions):
        self.sessions = sessions
        opens, closes, ordinals = sessions.arrays()
        first, end = sessions.edges()
        self._days = _Days(first, opens, closes, end, ordinals, _midnights() + sessions.shift_ms)
        lengths, counts = np.unique(closes - opens, return_counts=True)
        self.session_minutes = int(lengths[np.argmax(counts)]) // MINUTE_MS
        # The watermarks of one poll share a moment.
        self.locate = lru_cache(maxsize=1024)(self._locate)

    def slots(self, timespan: str) -> Slots:
        """Lay out the slots of a profile of this timespan."""
        return lay_out_slots(timespan, self.session_minutes, self.sessions.extended)

    def bars_per_slot(self, timespan: str) -> np.ndarray:
        """Count the spans of a full day that each slot holds, int64."""
        return np.array(bars_per_slot(timespan, self.session_minutes, self.sessions.extended), dtype=np.int64)

    def regular_presence(self, profile: Profile) -> list[float]:
        """Return the share of the bars of each slot of the regular session that usually exist."""
        return profile.presence[: self.slots(profile.timespan).regular]

    def locate_bars(self, ts: np.ndarray, start: np.ndarray, end: np.ndarray, timespans: list[str]) -> Positions:
        """Locate the bars that start at ``ts`` (UTC epoch ms, int64).

        Args:
            start, end: per segment, its bars [start, end); they are sorted by time and share a timespan.
            timespans: per segment.
        """
        dtypes = (np.int32, np.uint8, np.bool_, np.int16, np.int32)
        positions = Positions(*(np.empty(len(ts), dtype) for dtype in dtypes))
        # A pass has thousands of series and five timespans.
        kinds = {timespan: number for number, timespan in enumerate(dict.fromkeys(timespans))}
        kind = np.array([kinds[timespan] for timespan in timespans], dtype=np.intp)
        span = np.array([SPAN_MS[timespan] for timespan in kinds], dtype=np.int64)[kind]
        layouts = np.array([self.slots(timespan) for timespan in kinds], dtype=np.int64)
        slots = layouts.reshape(-1, len(Slots._fields))[kind]
        _locate(ts, start, end, span, slots, self._days, self.sessions.extended, positions)
        return positions

    def begins(self, date: str, timespan: str) -> int:
        """Return the first start, in UTC epoch ms, that a bar of a date YYYY-MM-DD, or of a later one, can have."""
        ordinal = date_ordinal(date)
        if self.sessions.extended and SPAN_MS[timespan] != DAY_MS:
            night = min(max(ordinal - FIRST_ORDINAL, 0), len(self._days.midnights) - 1)
            return int(self._days.midnights[night])
        # Day bars and sessions without New York's clock: whatever is behind the session before.
        earlier = int(np.searchsorted(self._days.ordinals, ordinal)) - 1
        return int(self._days.closes[earlier]) if earlier >= 0 else -(1 << 62)

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
def _locate(ts, start, end, span, slots, days, extended, positions):  # noqa: C901 - one kernel, see above
    firsts, opens, closes, ends, ordinals, midnights = days
    session, phase, regular, slot, date_ = positions
    last = len(opens) - 1
    for s in range(len(start)):
        if start[s] == end[s]:
            continue
        width, nominal = span[s], slots[s, NOMINAL]
        # The latest session that has opened, and the latest midnight.
        at = np.searchsorted(opens, ts[start[s]], side="right") - 1
        night = max(np.searchsorted(midnights, ts[start[s]], side="right") - 1, 0)
        counted, spans = -1, 0
        for i in range(start[s], end[s]):
            begin = ts[i]
            while at < last and opens[at + 1] <= begin:
                at += 1
            while night + 1 < len(midnights) and midnights[night + 1] <= begin:
                night += 1
            own, place = at, CLOSED
            if at >= 0 and begin < closes[at]:
                auction = extended and width == MINUTE_MS and begin < opens[at] + MINUTE_MS
                place = OPENING if auction else REGULAR
            elif width == DAY_MS:
                place, own = REGULAR, min(at + 1, last)
            elif at < last and opens[at + 1] < begin + width:
                place, own = REGULAR, at + 1
            elif at >= 0 and begin < ends[at]:
                place = CLOSING if width == MINUTE_MS and begin < closes[at] + MINUTE_MS else POST
            elif at < last and begin >= firsts[at + 1]:
                place, own = PRE, at + 1
            phase[i], regular[i] = place, place in (REGULAR, OPENING)
            session[i] = ordinals[own] if own >= 0 else -1
            date_[i] = FIRST_ORDINAL + night
            if own >= 0 and (not extended or (width == DAY_MS and begin != midnights[night])):
                date_[i] = ordinals[own]
            if regular[i]:
                # Aligned to the open, a bar that starts before it holds the open and is the first.
                k = 0 if width == DAY_MS else -((opens[own] - begin) // width)
                if own != counted:
                    counted, spans = own, -(-(closes[own] - opens[own]) // width)
                slot[i] = slot_at(min(max(k, 0), spans - 1), spans, nominal)
            else:
                slot[i] = _slot_around(place, begin, firsts[own], closes[own], slots[s])


@njit(cache=True)
def _slot_around(place, begin, first, closed, slots):
    """Slot of a bar that is not of the session, whose pre-market begins at ``first``; -1 where the market is closed."""
    _, pre, closing, post, total, group, _ = slots
    if place == PRE:
        # Before a late open the pre-market is longer than a profile knows.
        return min(pre + (begin - first) // group, closing - 1)
    if place == CLOSING:
        return closing
    return min(post + (begin - closed) // group, total - 1) if place == POST else -1
