"""Knows when the market is open: sessions, phases and session minutes of an exchange calendar.

XNYS knows half-days, holidays and daylight saving. ``24/7`` is the demo's always-open market, one session a UTC
day. A replay shifts recorded bars to now; ``shift_ms`` shifts the calendar with them, so that a bar recorded at
the open is still the open.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cache
from typing import Literal

import exchange_calendars
import numpy as np
import pandas as pd

from include.surveillance.errors import ConfigurationError
from include.surveillance.timespans import MINUTE_MS

Phase = Literal["pre", "regular", "post", "closed"]
# Polygon's intraday bars run 04:00-20:00 New York around XNYS's 09:30-16:00.
PRE_MS = int(5.5 * 60) * MINUTE_MS
POST_MS = 4 * 60 * MINUTE_MS
FIRST, LAST = "2000-01-03", "2100-12-31"


@dataclass(frozen=True)
class Session:
    """One trading session; ``open_ms`` <= regular bar start < ``close_ms`` (shift applied)."""

    date: str
    open_ms: int
    close_ms: int


class Sessions:
    """The sessions of one calendar.

    Args:
        calendar: a name of ``exchange_calendars``, e.g. ``XNYS`` or ``24/7``.
        shift_ms: how far recorded time lies in the past, in milliseconds; 0 for a live market.

    Raises:
        ConfigurationError: unknown calendar.
    """

    def __init__(self, calendar: str = "XNYS", shift_ms: int = 0):
        self.calendar, self.shift_ms = calendar, shift_ms
        self._sessions = _load(calendar)
        self._opens = [session.open_ms for session in self._sessions]
        self.extended = calendar == "XNYS"  # has a pre- and a post-market

    def at_or_before(self, ts_ms: int) -> Session | None:
        """Return the latest session that has opened by ``ts_ms``; None before the calendar's first."""
        index = bisect_right(self._opens, ts_ms - self.shift_ms) - 1
        return self._shifted(self._sessions[index]) if index >= 0 else None

    def following(self, ts_ms: int) -> Session | None:
        """Return the first session that opens after ``ts_ms``; None past the calendar's last."""
        index = bisect_right(self._opens, ts_ms - self.shift_ms)
        return self._shifted(self._sessions[index]) if index < len(self._sessions) else None

    def last_date(self) -> str:
        """Name the calendar's last session."""
        return self._sessions[-1].date

    def phase(self, ts_ms: int) -> Phase:
        """Say where in the trading day a time lies."""
        session = self.at_or_before(ts_ms)
        if session and ts_ms < session.close_ms:
            return "regular"
        if self.extended:
            if session and ts_ms < session.close_ms + POST_MS:
                return "post"
            following = self.following(ts_ms)
            if following and ts_ms >= following.open_ms - PRE_MS:
                return "pre"
        return "closed"

    def session_date(self, ts_ms: int) -> str:
        """Name the session that a time belongs to: its own from pre- to post-market, else the latest before it."""
        session = self.following(ts_ms) if self.phase(ts_ms) == "pre" else self.at_or_before(ts_ms)
        return session.date if session else ""

    def minutes_between(self, start_ms: int, end_ms: int) -> float:
        """Count the minutes of regular session in [start_ms, end_ms)."""
        total, session = 0, self.at_or_before(start_ms) or self.following(start_ms)
        while session and session.open_ms < end_ms:
            total += max(0, min(end_ms, session.close_ms) - max(start_ms, session.open_ms))
            session = self.following(session.open_ms)
        return total / MINUTE_MS

    def recent(self, count: int, before_ms: int) -> list[Session]:
        """Return the ``count`` latest sessions that have opened by ``before_ms``, oldest first."""
        index = bisect_right(self._opens, before_ms - self.shift_ms)
        return [self._shifted(session) for session in self._sessions[max(0, index - count) : index]]

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return each session's open and close (int64 UTC epoch ms, shift applied) and date (int32 days from 1970)."""
        opens = np.array(self._opens, dtype=np.int64) + self.shift_ms
        closes = np.array([session.close_ms for session in self._sessions], dtype=np.int64) + self.shift_ms
        days = np.array([session.date for session in self._sessions], dtype="datetime64[D]")
        return opens, closes, days.astype(np.int32)

    def _shifted(self, session: Session) -> Session:
        if not self.shift_ms:
            return session
        return Session(session.date, session.open_ms + self.shift_ms, session.close_ms + self.shift_ms)


def _get_calendar(calendar: str) -> exchange_calendars.ExchangeCalendar:
    """Get a calendar for all times that records may have, or as far ahead as its holidays are known.

    Of itself the library goes from 20 years ago, though recorded bars reach further back, to a year from now, though
    a process may run for longer: after that a market would be closed for ever.
    """
    try:
        return exchange_calendars.get_calendar(calendar, start=FIRST, end=LAST)
    except ValueError:
        return exchange_calendars.get_calendar(calendar, start=FIRST)


@cache
def _load(calendar: str) -> list[Session]:
    try:
        schedule = _get_calendar(calendar).schedule
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise ConfigurationError(
            f"unknown market calendar {calendar!r}; use a name of exchange_calendars such as XNYS or 24/7"
        ) from error
    opens = pd.DatetimeIndex(schedule["open"]).as_unit("ms").asi8
    closes = pd.DatetimeIndex(schedule["close"]).as_unit("ms").asi8
    return [
        Session(str(date.date()), int(open_ms), int(close_ms))
        for date, open_ms, close_ms in zip(schedule.index, opens, closes, strict=True)
    ]
