"""A backfill's form -> the calls that it takes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from include.orchestration.ingest import polling
from include.surveillance.errors import ConfigurationError

if TYPE_CHECKING:
    from include.surveillance.broker import Publisher
    from include.surveillance.polygon.client import Polygon
    from include.surveillance.records import Record

LOG = logging.getLogger(__name__)


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


def range_of(params: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """``window`` of a run's form, as of when the run was asked for."""
    return window(params["from"], params["to"], context["dag_run"].run_after)


def groups(symbols: Sequence[str], size: int) -> list[dict[str, Any]]:
    """One task per group of symbols: its name in the UI and whose bars it brings."""
    found = [list(symbols[start : start + size]) for start in range(0, len(symbols), size)]
    return [{"name": polling.group_name(group), "symbols": group} for group in found]


def chunks(start: datetime, end: datetime, days: int) -> list[tuple[int, int]]:
    """[from_ms, to_ms) of each call, oldest first, ``days`` long at most."""
    edges = [start]
    while edges[-1] < end:
        edges.append(min(edges[-1] + timedelta(days=days), end))
    return [(to_ms(low), to_ms(high)) for low, high in pairwise(edges)]


def poll(
    polygon: Polygon, publisher: Publisher, symbols: Sequence[str], timespan: str, spans: Sequence[tuple[int, int]]
) -> dict[str, int]:
    """poll → normalise → publish, span after span, because detection takes each symbol's bars in the order of time.

    Raises:
        SurveillanceError: a symbol failed; the others of its span are published, and asking again changes nothing.
    """
    from include.surveillance import normalise
    from include.surveillance.polygon.client import poll_each

    sent: Counter[str] = Counter()
    failed: list[Exception] = []

    def records(from_ms: int, to_ms: int) -> Iterator[Record]:
        for symbol, answer in poll_each(polygon, symbols, [timespan], from_ms, to_ms):
            if isinstance(answer, Exception):
                LOG.warning("%s: %s", symbol, answer)
                failed.append(answer)
                continue
            for payload in answer:
                yield from normalise.bars(payload, source="backfill")

    for span in spans:
        sent.update(publisher.publish(records(*span)))
        if failed:
            raise failed[0]
    return dict(sent)


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
