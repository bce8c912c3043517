"""Measures times and lengths of time in whole milliseconds; a time counts from 1970-01-01 UTC.

A module of its own because whoever reads it loads nothing else: neither records nor calendars.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

Timespan = str

NEW_YORK = ZoneInfo("America/New_York")

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SPAN_MS: dict[Timespan, int] = {
    "minute": MINUTE_MS,
    "5minute": 5 * MINUTE_MS,
    "15minute": 15 * MINUTE_MS,
    "hour": HOUR_MS,
    "day": DAY_MS,
}
EARLIEST_MS, LATEST_MS = 4_147_200_000, 4_102_444_800_000
"""No bar starts before 18 February 1970, as far as calendars reach, or after the year 2099: a stamp outside is a wrong
unit or a wrong time. A time that began earlier, in milliseconds, could not be told from one in seconds."""
POLLED: tuple[Timespan, ...] = ("minute", "5minute", "hour", "day")
"""The timespans that are asked of the vendor; recorded bars may have the others."""


def now_ms() -> int:
    return int(time.time() * 1_000)


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)


def to_utc(ts_ms: float) -> datetime:
    return datetime.fromtimestamp(ts_ms / 1_000, UTC)


def new_york_midnight(date: str) -> int:
    """Return when a date YYYY-MM-DD begins in New York."""
    return to_ms(datetime.fromisoformat(date).replace(tzinfo=NEW_YORK))


def new_york_day_start(ts_ms: float) -> int:
    """Return the midnight with which the New York date of a time begins, UTC epoch ms."""
    return new_york_midnight(f"{to_utc(ts_ms).astimezone(NEW_YORK):%Y-%m-%d}")


def write_utc(ts_ms: float) -> str:
    """Write a time to the second, e.g. ``2026-01-31T14:30:00Z``."""
    return f"{to_utc(ts_ms):%Y-%m-%dT%H:%M:%SZ}"


def write_new_york(ts_ms: float) -> str:
    """Write a time to the minute as New York's clocks show it, e.g. ``2026-01-31 09:30``."""
    return f"{to_utc(ts_ms).astimezone(NEW_YORK):%Y-%m-%d %H:%M}"


def read_time(text: str) -> int:
    """Read a time that somebody has typed, as epoch milliseconds.

    A date is its midnight in New York, a date with a time of day is New York's unless it has an offset, and whole
    numbers are epoch milliseconds.

    Raises:
        ValueError: it is none of these.
    """
    if text.isascii() and text.isdigit() and len(text) > len("20260131"):
        return int(text)
    moment = datetime.fromisoformat(text)
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=NEW_YORK))
