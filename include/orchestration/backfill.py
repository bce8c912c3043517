"""A backfill's form -> the calls that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from include.surveillance.errors import ConfigurationError


def window(first: str, last: str, now: datetime) -> tuple[datetime, datetime]:
    """[start, end) of the form's fields From and To.

    A date means the whole trading date in New York, an ISO instant exactly itself. Today is asked for until now.

    Raises:
        ConfigurationError: not a date or instant, in the future, or To not after From.
    """
    start, _ = _span("from", first, now)
    _, end = _span("to", last, now)
    end = min(end, now)
    if start >= end:
        raise ConfigurationError(f"from={first} is not before to={last}: nothing to backfill; exchange them")
    return start, end


def chunks(symbols: Sequence[str], start: datetime, end: datetime, days: int) -> list[dict[str, Any]]:
    """One call per symbol and chunk of ``days``, oldest chunk first, so that each symbol's bars come in order."""
    edges = [start]
    while edges[-1] < end:
        edges.append(min(edges[-1] + timedelta(days=days), end))
    return [
        {"symbol": symbol, "chunk": f"{low:%Y-%m-%d}..{high:%Y-%m-%d}", "from_ms": to_ms(low), "to_ms": to_ms(high)}
        for low, high in pairwise(edges)
        for symbol in symbols
    ]


def _span(name: str, text: str, now: datetime) -> tuple[datetime, datetime]:
    from include.surveillance.sessions import NEW_YORK

    try:
        if len(text.strip()) == len("2026-01-31"):
            day = date.fromisoformat(text.strip())
            start = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
            end = start + timedelta(days=1)
        else:
            start = datetime.fromisoformat(text.strip())
            start = end = start.replace(tzinfo=UTC) if start.tzinfo is None else start
    except ValueError as error:
        raise ConfigurationError(
            f"{name}={text!r} is neither a date such as 2026-01-31 nor an instant such as 2026-01-31T14:30:00Z"
        ) from error
    if start > now:
        raise ConfigurationError(
            f"{name}={text} lies in the future (now: {now:%Y-%m-%dT%H:%M:%SZ}); choose an earlier one"
        )
    return start.astimezone(UTC), end.astimezone(UTC)


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
