"""The fields of a run's form that say which bars, wherever a DAG asks for them, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import Param

from include.surveillance.errors import ConfigurationError
from include.surveillance.timespans import NEW_YORK, POLLED, to_ms

MOMENT = "A date (that whole trading date in New York) or an instant such as 2026-01-31T14:30:00Z"


def bars_params(no_symbols: str) -> dict[str, Param]:
    """Make the fields From, To, Symbols and Timespan; ``no_symbols`` says whose bars an empty list means."""
    description = f"Empty: {no_symbols}"
    return {
        "from": Param(type="string", minLength=10, title="From", description=MOMENT),
        "to": Param(type="string", minLength=10, title="To", description=f"{MOMENT}; the date itself is included"),
        "symbols": Param([], type="array", items={"type": "string"}, title="Symbols", description=description),
        "timespan": Param("minute", type="string", enum=list(POLLED), title="Timespan"),
    }


def read_range(params: Mapping[str, Any], now: datetime) -> tuple[int, int]:
    """Read the fields From and To as [start_ms, end_ms), UTC epoch milliseconds.

    A date means the whole trading date in New York, an ISO instant exactly itself. Today ends now.

    Raises:
        ConfigurationError: not a date or instant, in the future, or To not after From.
    """
    first, last = params["from"], params["to"]
    start, _ = _read_day_or_instant("from", first, now)
    _, end = _read_day_or_instant("to", last, now)
    end = min(end, now)
    if start >= end:
        raise ConfigurationError(f"from={first} is not before to={last}: nothing to backfill; exchange them")
    return to_ms(start), to_ms(end)


def _read_day_or_instant(name: str, text: str, now: datetime) -> tuple[datetime, datetime]:
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
    return start, end
