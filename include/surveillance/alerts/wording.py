"""Writes numbers and times as explanations show them.

Numbers that stand side by side in a sentence are written together: each with as many digits as its size asks for, and
all with as many more as it takes that two different numbers do not read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from math import floor, log10

from include.surveillance.timespans import HOUR_MS, MINUTE_MS, NEW_YORK, to_utc

RAREST = 4_096
"""Sessions: nothing rarer can be told apart."""
_SPANS = {"minute": "minute", "5minute": "5 minutes", "15minute": "15 minutes", "hour": "hour"}


def clock(ts_ms: int) -> str:
    """Write the time of day, New York's first, e.g. ``09:31 New York (14:31 UTC)``; seconds where there are any."""
    return f"{_time_of_day(ts_ms, _offset_ms(ts_ms // HOUR_MS))} New York ({_time_of_day(ts_ms, 0)} UTC)"


def date(ts_ms: int) -> str:
    """Write New York's date, e.g. ``2019-02-14``."""
    return to_utc(ts_ms).astimezone(NEW_YORK).date().isoformat()


def during(timespan: str, ts_ms: int, session_date: str = "") -> str:
    """Write when a bar was, e.g. ``in the minute from 09:31 New York (14:31 UTC)``; ``on 2019-02-14`` for a day bar."""
    return f"on {session_date}" if timespan == "day" else f"in the {_SPANS[timespan]} from {clock(ts_ms)}"


def until(timespan: str, ts_ms: int, session_date: str) -> str:
    """Write up to when, e.g. ``up to the minute from 09:31 New York (14:31 UTC)``; ``up to 2019-02-14`` for a day."""
    return f"up to {session_date}" if timespan == "day" else f"up to the {_SPANS[timespan]} from {clock(ts_ms)}"


def between(start_ms: int, end_ms: int) -> str:
    """Write from when to when, e.g. ``in the 5 minutes from 09:30 to 09:35 New York (14:30 to 14:35 UTC)``."""
    start, end = (_time_of_day(ts_ms, _offset_ms(ts_ms // HOUR_MS)) for ts_ms in (start_ms, end_ms))
    utc = f"{_time_of_day(start_ms, 0)} to {_time_of_day(end_ms, 0)} UTC"
    (minutes,) = numbers((end_ms - start_ms) / MINUTE_MS)
    return f"in the {minutes} minutes from {start} to {end} New York ({utc})"


def prices(*values: float) -> list[str]:
    """Write at least two decimals and six digits, e.g. ``101.50``, ``712,345.68``, ``0.000123``."""
    return _write(values, digits=6, least=2)


def numbers(*values: float) -> list[str]:
    """Write shares, multiples and minutes with four digits, whole from a thousand on, e.g. ``84,210``, ``3.001``."""
    return _write(values, digits=4, least=0)


def percents(*fractions: float) -> list[str]:
    """Write at least two decimals and three digits, e.g. ``2.12 %``, ``0.0314 %``."""
    # In decimals, because 100 times two neighbouring floats can be the same float.
    return [f"{text} %" for text in _write([Decimal(repr(one)).scaleb(2) for one in fractions], digits=3, least=2)]


def rarity(sessions: float) -> str:
    """Write how rare something is, e.g. ``once in 40 sessions``, in two digits."""
    if sessions < 2:
        return "in most sessions"
    if sessions >= RAREST:
        return f"once in {RAREST:,} sessions or more"
    return f"once in {min(float(f'{sessions:.2g}'), RAREST):,.0f} sessions"


def _write(values: Sequence[float | Decimal], *, digits: int, least: int) -> list[str]:
    """Write plain decimals, grouped by thousands, without zeros at the end beyond ``least`` decimals."""
    enough = [max(least, digits - 1 - floor(log10(abs(float(value))))) if value else least for value in values]
    different, more = len(set(values)), 0
    while True:
        texts = [_trim(f"{value:,.{decimals + more}f}", least) for value, decimals in zip(values, enough, strict=True)]
        if len(set(texts)) >= different:
            return texts
        more += 1


def _trim(text: str, least: int) -> str:
    whole, _, decimals = text.partition(".")
    kept = decimals[:least] + decimals[least:].rstrip("0")
    return f"{whole}.{kept}" if kept else whole


def _time_of_day(ts_ms: int, offset_ms: int) -> str:
    seconds = (ts_ms + offset_ms) // 1_000 % 86_400
    hour, minute, second = seconds // 3_600, seconds // 60 % 60, seconds % 60
    return f"{hour:02d}:{minute:02d}:{second:02d}" if second else f"{hour:02d}:{minute:02d}"


@lru_cache(maxsize=4096)
def _offset_ms(hour: int) -> int:
    """New York's time less UTC, in this hour since 1970: clocks change at full hours."""
    offset = to_utc(hour * HOUR_MS).astimezone(NEW_YORK).utcoffset() or timedelta(0)
    return offset // timedelta(milliseconds=1)
