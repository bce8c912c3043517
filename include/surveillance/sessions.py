"""Knows when the market is open: sessions, phases and session minutes of an exchange calendar.

XNYS knows half-days, late opens, holidays and daylight saving, and the vendor's hours around its sessions. ``24/7`` is
the demo's always-open market, one session a UTC day. A replay shifts recorded bars to now; ``shift_ms`` shifts the
calendar with them, so that a bar recorded at the open is still the open.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache, cached_property
from operator import attrgetter
from typing import Literal, get_args

import exchange_calendars
import numpy as np
import pandas as pd

from include.surveillance.errors import ConfigurationError
from include.surveillance.timespans import EARLIEST_MS, HOUR_MS, MINUTE_MS, NEW_YORK, to_utc

Phase = Literal["pre", "opening_auction", "regular", "closing_auction", "post", "closed"]
PHASES: tuple[Phase, ...] = get_args(Phase)
EXTENDED = "XNYS"
"""The calendar around whose sessions the vendor has bars, too."""
# Polygon's bars begin at 04:00 New York, whenever the session opens, and end four hours after it closes: 20:00 on a
# full day, 17:00 on a half-day.
FIRST_BAR_MS, POST_MS = 4 * HOUR_MS, 4 * HOUR_MS
FIRST, LAST = f"{to_utc(EARLIEST_MS):%Y-%m-%d}", "2100-12-31"
# Opens and closes that the library does not know, in minutes of New York's day, by the exchange's own list of closings:
# fires, storms, failures, silences.
IRREGULAR_OPENS = {
    "1989-11-10": 660, "1990-12-27": 660, "1991-01-17": 571, "1991-02-25": 571, "1995-12-18": 630, "1996-01-08": 660,
    "2001-09-17": 573, "2001-10-08": 571, "2002-09-11": 720, "2003-03-20": 572, "2004-06-07": 572, "2006-12-27": 572,
}  # fmt: skip
IRREGULAR_CLOSES = {"1994-02-11": 870, "1996-01-08": 840, "1997-10-27": 930, "2005-06-01": 956}
_ALIASES = {"US": "XNYS"}  # beside the library's, e.g. NYSE, NASDAQ, XNAS


@dataclass(frozen=True)
class Session:
    """One trading session, times in UTC epoch ms, shift applied.

    ``first_ms`` <= pre-market < ``open_ms`` <= regular session < ``close_ms`` <= post-market < ``end_ms``. Where the
    vendor has no bars around the session, the first two are the same, and so are the last two.
    """

    date: str
    first_ms: int
    open_ms: int
    close_ms: int
    end_ms: int


class Sessions:
    """The sessions of one calendar.

    Args:
        calendar: a name of ``exchange_calendars`` or another word for it, e.g. ``XNYS``, ``nyse``, ``us`` or ``24/7``.
        shift_ms: how far recorded time lies in the past, in milliseconds; 0 for a live market.

    Raises:
        ConfigurationError: unknown calendar.
    """

    def __init__(self, calendar: str = "XNYS", shift_ms: int = 0):
        self.calendar, self.shift_ms = _resolve_name(calendar), shift_ms
        self._sessions = _load(self.calendar)
        self._opens = [session.open_ms for session in self._sessions]
        self.extended = self.calendar == EXTENDED  # has a pre- and a post-market

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

    def covers(self, ts_ms: int) -> bool:
        """Say whether a time lies in the calendar's range: nothing is known of sessions before or after it."""
        return self.range_ms[0] <= ts_ms < self.range_ms[1]

    @cached_property
    def range_ms(self) -> tuple[int, int]:
        """From the UTC day of the calendar's first session to the end of its last, shift applied."""
        first = np.datetime64(self._sessions[0].date, "ms").astype(int)
        return int(first) + self.shift_ms, self._sessions[-1].end_ms + self.shift_ms

    def describe_range(self) -> str:
        """Name the range for a message."""
        return f"calendar {self.calendar} knows the sessions from {self._sessions[0].date} to {self.last_date()}"

    def phase(self, ts_ms: int) -> Phase:
        """Say where in the trading day a time lies. The auctions are the first minute of the session and the one after.

        That is how the vendor stamps them: the minute bar of the open and the one of the close hold the crosses.
        """
        session, following = self.at_or_before(ts_ms), self.following(ts_ms)
        if session and ts_ms < session.close_ms:
            return "opening_auction" if self.extended and ts_ms < session.open_ms + MINUTE_MS else "regular"
        if session and ts_ms < session.end_ms:
            return "closing_auction" if ts_ms < session.close_ms + MINUTE_MS else "post"
        return "pre" if following and ts_ms >= following.first_ms else "closed"

    def session_date(self, ts_ms: int) -> str:
        """Name the session that a time belongs to: its own from pre- to post-market, else the latest before it."""
        session = self.following(ts_ms) if self.phase(ts_ms) == "pre" else self.at_or_before(ts_ms)
        return session.date if session else ""

    def on(self, date: str) -> Session | None:
        """Return the session of a date YYYY-MM-DD; None where there is none."""
        at = bisect_left(self._sessions, date, key=attrgetter("date"))
        found = self._sessions[at] if at < len(self._sessions) else None
        return self._shifted(found) if found and found.date == date else None

    def between(self, after: str, before: str) -> list[Session]:
        """Return the sessions that lie between two dates YYYY-MM-DD, neither included, oldest first."""
        first = bisect_right(self._sessions, after, key=attrgetter("date"))
        last = bisect_left(self._sessions, before, key=attrgetter("date"))
        return [self._shifted(session) for session in self._sessions[first:last]]

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
        return self._times("open_ms"), self._times("close_ms"), self._days.copy()

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Return when the vendor's bars begin before each session and end after it, as ``arrays`` does."""
        return self._times("first_ms"), self._times("end_ms")

    @cached_property
    def _days(self) -> np.ndarray:
        return np.array([session.date for session in self._sessions], dtype="datetime64[D]").astype(np.int32)

    def _times(self, name: str) -> np.ndarray:
        return self._recorded_times[name] + self.shift_ms

    @cached_property
    def _recorded_times(self) -> dict[str, np.ndarray]:
        names = ("first_ms", "open_ms", "close_ms", "end_ms")
        return {name: np.array([getattr(it, name) for it in self._sessions], np.int64) for name in names}

    def _shifted(self, session: Session) -> Session:
        if not self.shift_ms:
            return session
        times = (session.first_ms, session.open_ms, session.close_ms, session.end_ms)
        return Session(session.date, *(ms + self.shift_ms for ms in times))


def _resolve_name(calendar: str) -> str:
    """Return the one name of a calendar, whatever of its names was given, in whatever case.

    Raises:
        ConfigurationError: unknown calendar.
    """
    names = {name.upper(): name for name in exchange_calendars.get_calendar_names(include_aliases=True)} | _ALIASES
    if calendar.strip().upper() not in names:
        raise ConfigurationError(
            f"unknown market calendar {calendar!r}; use a name of exchange_calendars such as XNYS (also NYSE, NASDAQ, "
            "XNAS, US) or 24/7"
        )
    return exchange_calendars.resolve_alias(names[calendar.strip().upper()])


def _get_calendar(calendar: str) -> exchange_calendars.ExchangeCalendar:
    """Get a calendar for all times that records may have, or for as long as its holidays are known.

    Of itself the library goes from 20 years ago, though recorded bars reach further back, to a year from now, though
    a process may run for longer: after that a market would be closed for ever.
    """
    try:
        return exchange_calendars.get_calendar(calendar, start=FIRST, end=LAST)
    except ValueError:
        known = exchange_calendars.get_calendar(calendar)
        start, end = known.bound_min(), known.bound_max()
        start = max(start, pd.Timestamp(FIRST)) if start is not None else pd.Timestamp(FIRST)
        end = min(end, pd.Timestamp(LAST)) if end is not None else pd.Timestamp(LAST)
        return exchange_calendars.get_calendar(calendar, start=start, end=end)


@cache
def _load(calendar: str) -> list[Session]:
    schedule = _get_calendar(calendar).schedule
    opens, closes = pd.DatetimeIndex(schedule["open"]), pd.DatetimeIndex(schedule["close"])
    open_ms, close_ms = opens.as_unit("ms").asi8, closes.as_unit("ms").asi8
    first_ms, end_ms = open_ms, close_ms
    if calendar == EXTENDED:
        dates = schedule.index.strftime("%Y-%m-%d")
        midnight_ms = open_ms - _minutes_of_day(opens) * MINUTE_MS
        for moments, minutes in ((open_ms, IRREGULAR_OPENS), (close_ms, IRREGULAR_CLOSES)):
            for date, minute in minutes.items():
                at = dates.get_loc(date)
                moments[at] = midnight_ms[at] + minute * MINUTE_MS
        first_ms, end_ms = midnight_ms + FIRST_BAR_MS, close_ms + POST_MS
    return [
        Session(str(date.date()), *map(int, times))
        for date, *times in zip(schedule.index, first_ms, open_ms, close_ms, end_ms, strict=True)
    ]


def _minutes_of_day(moments: pd.DatetimeIndex) -> np.ndarray:
    local = moments.tz_convert(NEW_YORK)
    return (local.hour * 60 + local.minute).to_numpy()
