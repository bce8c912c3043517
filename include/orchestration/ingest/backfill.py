"""The tasks, calls and files that a backfill takes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from include.orchestration import forms
from include.orchestration.ingest import polling
from include.surveillance import timespans
from include.surveillance.errors import ConfigurationError
from include.surveillance.records import Bar, Reject
from include.surveillance.timespans import DAY_MS, NEW_YORK, now_ms, write_utc

if TYPE_CHECKING:
    from include.surveillance.broker import Publisher
    from include.surveillance.files.flat_files import FlatFiles
    from include.surveillance.polygon.client import Polygon
    from include.surveillance.records import AnyRecord

LOG = logging.getLogger(__name__)


def plan_tasks(symbols: Sequence[str], size: int) -> list[dict[str, Any]]:
    """Plan one task per ``size`` symbols: its name in the UI and whose bars it brings.

    Raises:
        ConfigurationError: one of them cannot be a ticker.
    """
    groups = polling.cut_groups(forms.check_symbols(symbols), size)
    return [{"name": polling.name_group(group), "symbols": group} for group in groups]


def cut_range(start_ms: int, end_ms: int, days: int) -> list[tuple[int, int]]:
    """Cut the range into [from_ms, to_ms) of each call, oldest first, ``days`` long at most."""
    return list(pairwise([*range(start_ms, end_ms, days * DAY_MS), end_ms]))


def poll_spans(
    polygon: Polygon, publisher: Publisher, symbols: Sequence[str], timespan: str, spans: Sequence[tuple[int, int]]
) -> dict[str, int]:
    """poll → normalise → publish, span after span, because detection takes each symbol's bars in the order of time.

    Raises:
        SurveillanceError: a symbol failed; the others of its span are published, and asking again changes nothing.
    """
    sent: Counter[str] = Counter()
    found = dict.fromkeys(symbols, 0)
    failed: list[Exception] = []

    def records(from_ms: int, to_ms: int) -> Iterator[AnyRecord]:
        for symbol, polled in poll_past(polygon, symbols, [timespan], from_ms, to_ms, failed):
            found[symbol] += sum(isinstance(record, Bar) for record in polled)
            yield from polled

    for span in spans:
        sent.update(publisher.publish(records(*span)))
        if failed:
            raise failed[0]
    silent = [_tell_silence(symbol, timespan, spans[0][0], spans[-1][1]) for symbol, bars in found.items() if not bars]
    sent.update(publisher.publish(silent))
    return dict(sent)


def poll_past(
    polygon: Polygon,
    symbols: Sequence[str],
    timespans: Sequence[str],
    from_ms: int,
    to_ms: int,
    failed: list[Exception],
) -> Iterator[tuple[str, list[AnyRecord]]]:
    """poll → normalise, past bars; yield the records of each symbol. The error of one that fails joins ``failed``."""
    from include.surveillance import normalise  # with Polygon's client, too heavy for whoever parses the DAG
    from include.surveillance.polygon.client import poll_each

    for symbol, answer in poll_each(polygon, symbols, timespans, from_ms, to_ms):
        if isinstance(answer, Exception):
            LOG.warning("%s: %s", symbol, answer)
            failed.append(answer)
        else:
            yield symbol, [record for payload in answer for record in normalise.bars(payload, source="backfill")]


def publish_files(
    files: FlatFiles, publisher: Publisher, symbols: Sequence[str], timespan: str, from_ms: int, to_ms: int
) -> dict[str, int]:
    """read → normalise → publish the file of each day in [from_ms, to_ms), because detection takes bars in the order
    of time.

    Raises:
        ConfigurationError: there is no file of these days, or one that cannot be used.
        VendorError, VendorUnavailableError: a file cannot be fetched; asking again changes nothing that is there.
    """
    from include.surveillance.files.bar_records import read_records

    sent: Counter[str] = Counter()
    found = dict.fromkeys(symbols, 0)
    there = files.list_days()
    first, last = (datetime.fromtimestamp(ms / 1_000, NEW_YORK).date() for ms in (from_ms, to_ms - 1))
    wanted = {day: name for day, name in there.items() if first <= day <= last}
    if not wanted:
        has = f"{len(there)} files, {min(there)} to {max(there)}" if there else "no file that is named by its day"
        raise ConfigurationError(f"{files} has no file of {first} to {last}; it has {has}")

    for day in _list_trading_days(from_ms, to_ms):
        if day not in wanted:
            LOG.warning("%s has no file of %s, a trading day", files, day)

    def counted(records: Iterable[AnyRecord]) -> Iterator[AnyRecord]:
        for record in records:
            if isinstance(record, Bar):
                found[record.symbol] += 1
            yield record

    for day, name in wanted.items():
        midnights = (datetime.combine(it, time(), NEW_YORK) for it in (day, day + timedelta(days=1)))
        start_ms, end_ms = (min(max(from_ms, timespans.to_ms(midnight)), to_ms) for midnight in midnights)
        with files.fetch(name) as path:
            counts = publisher.publish(counted(read_records(path, symbols, timespan, start_ms, end_ms)))
        LOG.info("%s: %s", name, counts)
        sent.update(counts)
    silent = [_tell_silence(symbol, timespan, from_ms, to_ms) for symbol, bars in found.items() if not bars]
    sent.update(publisher.publish(silent))
    return dict(sent)


def _list_trading_days(from_ms: int, to_ms: int) -> Iterator[date]:
    """Yield the days of the sessions that open in [from_ms, to_ms)."""
    from include.surveillance.sessions import Sessions

    sessions = Sessions()
    session = sessions.following(from_ms - 1)
    while session and session.open_ms < to_ms:
        yield date.fromisoformat(session.date)
        session = sessions.following(session.open_ms)


def _tell_silence(symbol: str, timespan: str, from_ms: int, to_ms: int) -> Reject:
    """Say that the vendor has nothing of a symbol: a quiet week looks like this, and a misspelt ticker."""
    detail = f"0 bars for {symbol} from {write_utc(from_ms)} to {write_utc(to_ms)}"
    LOG.warning("%s; is it written as the vendor does?", detail)
    return Reject(
        stage="normalise",
        reason="no bars",
        detail=detail,
        raw="",
        symbol=symbol,
        timespan=timespan,
        source="backfill",
        polled_ms=now_ms(),
    )
