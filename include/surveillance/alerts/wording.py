"""Writes numbers and times as explanations show them."""

from __future__ import annotations

from include.surveillance.timespans import MINUTE_MS

_SPANS = {"minute": "minute", "5minute": "5 minutes", "15minute": "15 minutes", "hour": "hour"}


def clock(ts_ms: int) -> str:
    """Write the time of day, e.g. ``14:31 UTC``."""
    hour, minute = divmod(ts_ms // MINUTE_MS % 1440, 60)
    return f"{hour:02d}:{minute:02d} UTC"


def during(timespan: str, ts_ms: int, session_date: str = "") -> str:
    """Write when a bar was, e.g. ``in the minute from 14:31 UTC``; ``on 2019-02-14`` for a day bar."""
    return f"on {session_date}" if timespan == "day" else f"in the {_SPANS[timespan]} from {clock(ts_ms)}"


def until(timespan: str, ts_ms: int, session_date: str) -> str:
    """Write up to when, e.g. ``up to the minute from 14:31 UTC``; ``up to 2019-02-14`` for a day bar."""
    return f"up to {session_date}" if timespan == "day" else f"up to the {_SPANS[timespan]} from {clock(ts_ms)}"


def shares(volume: float) -> str:
    return f"{volume:,.0f}" if volume >= 100 else f"{volume:,.2f}".rstrip("0").rstrip(".")


def price(value: float) -> str:
    """Write at least two decimals and at most four: a level and a price just beyond it must not read the same."""
    whole, decimals = f"{value:,.4f}".split(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def percent(fraction: float, digits: int = 2) -> str:
    return f"{100 * fraction:,.{digits}f} %"
