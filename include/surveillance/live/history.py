"""Judges as history what detection has not judged live: each bar by what was known before it, whatever came when.

Detection judges the bars that live polls bring, and only looks back on others. This goes through all bars and news of
a partition in order of time, with the profiles that hold before each session, and judges those others. What comes of it
is a function of the log. It is compared with the alerts of history that are there, and what differs is published.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType
from typing import Literal

import numpy as np
from msgspec import structs

from include.surveillance import broker, wire
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.market_events import MARKET
from include.surveillance.broker import Kafka, Position
from include.surveillance.detection.arrivals import Places
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.detection.state import State
from include.surveillance.instruments import Tickers
from include.surveillance.live.background import read_actions
from include.surveillance.live.build_profiles import BarParts
from include.surveillance.live.intake import decode_messages
from include.surveillance.live.progress import positions_of
from include.surveillance.places import Place
from include.surveillance.records import Alert, Bar, NewsItem, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import DAY_MS, LATEST_MS, SPAN_MS

GROUP = "history"
CHUNK = 20_000  # records that are judged at once
NEWS_REACH_MS = 2 * DAY_MS
"""How long before an article a bar may start that it explains: a day bar, and two hours behind its close."""


@dataclass(frozen=True)
class Judged:
    """Counts what one run has judged and published.

    Attributes:
        bars: how many bars of the partition's log are history; 0 where nothing has come since the last run.
        alerts: how many messages were published.
    """

    bars: int
    alerts: int


@dataclass(frozen=True)
class Log:
    """What a partition's log says of bars and news, and what of that was not so at the places where the last run ended.

    Attributes:
        bars: as ``settle_bars`` gives them.
        news: each article about a symbol once, as it stands now and as if it had been recorded.
        changed_ms: from when on bars may be judged otherwise than then, UTC epoch ms; infinite: nothing has changed.
        places: where it ends.
    """

    bars: BarColumns
    news: list[NewsItem]
    changed_ms: float
    places: dict[Position, Place]


@dataclass(frozen=True)
class Walk:
    """The history of one partition, judged.

    Attributes:
        engine: has the profiles that bars were held against.
        bars: each once, with the values that came last, sorted by series and time; those that are not ``live`` are
            history.
        alerts: all that is to be said of history, in order of time.
    """

    engine: Engine
    bars: BarColumns
    alerts: list[Alert]


def judge_partition(kafka: Kafka, partition: int, *, sessions: Sessions, book: ParameterBook) -> Judged:
    """Judge the history of one partition and publish all that differs from what was published before.

    What comes changes only what is later than it: the alerts of bars before the earliest that has changed since the
    last run stay as they are, whatever has meanwhile gone from the beginning of the log.

    Raises:
        BrokerError: Kafka refused, or another run judges the same partition; nothing was published.
    """
    with broker.Transactions(kafka, f"history-{partition}", GROUP) as transactions:
        actions = read_actions(kafka)
        judged_to, _ = broker.resume(kafka, broker.committed(kafka, GROUP, positions_of(partition)))
        log, changes, bars = read_log(kafka, partition, actions.tickers, judged_to), list[Alert](), 0
        if log.changed_ms < inf:
            walk = walk_log(kafka, partition, log, actions, sessions=sessions, book=book)
            bars = int(np.sum(~log.bars.live))
            # Last, so that it has what detection has told meanwhile.
            changes = list_changes(read_told(kafka, partition), walk, log.changed_ms)
        with transactions.transaction() as transaction:
            transaction.send_all(changes, partition=partition)
            transaction.add_places(log.places)
        return Judged(bars, len(changes))


def walk_partition(kafka: Kafka, partition: int, *, sessions: Sessions, book: ParameterBook) -> Walk:
    """Judge all history of one partition's log.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    actions = read_actions(kafka)
    log = read_log(kafka, partition, actions.tickers)
    return walk_log(kafka, partition, log, actions, sessions=sessions, book=book)


def walk_log(
    kafka: Kafka, partition: int, log: Log, actions: CorporateActions, *, sessions: Sessions, book: ParameterBook
) -> Walk:
    """Judge all history of a log, with the profiles that hold before each session."""
    if log.bars.live.all():
        return Walk(Engine(book, sessions, actions, judges="backfill"), log.bars, [])
    engine = Engine(book, sessions, actions, walk_forward(log.bars, sessions, actions), judges="backfill")
    # An instrument that has moved to another partition is told of from there.
    count = len(broker.partitions_of(kafka, broker.BARS))
    alerts = judge_bars(engine, log.bars, log.news)
    return Walk(engine, log.bars, [it for it in alerts if broker.choose_partition(it.symbol, count) == partition])


def read_log(
    kafka: Kafka, partition: int, tickers: Tickers, judged_to: Mapping[Position, Place | None] = MappingProxyType({})
) -> Log:
    """Read bars and news of a partition, and the bars of its instruments' other tickers.

    Args:
        judged_to: where the last run ended; without, or None, all has changed since.
    """
    bars_from, news_from = positions_of(partition)
    parts, known, places = BarParts(), 1, dict[Position, Place]()
    for was_there, records in _read(kafka, bars_from, judged_to.get(bars_from), places):
        parts.add(records)
        known += was_there
    parts.add_others(kafka, partition, tickers)
    bars = settle_bars(parts.join())
    then = settle_bars(parts.join([*range(known), -1]))
    starts = bars.ts[find_changed(then, bars)].tolist()
    articles, articles_then = dict[tuple[str, str], NewsItem](), dict[tuple[str, str], NewsItem]()
    for was_there, records in _read(kafka, news_from, judged_to.get(news_from), places):
        items = (structs.replace(it, polled_ms=0) for it in records if isinstance(it, NewsItem))
        newest = {(it.symbol, it.article_id): it for it in items}
        articles |= newest
        articles_then |= newest if was_there else {}
    for name, item in articles.items():
        if name not in articles_then or articles_then[name].event_id != item.event_id:
            starts.append(item.published_ms - NEWS_REACH_MS)
    return Log(bars, [item for _, item in sorted(articles.items())], min(starts, default=inf), places)


def settle_bars(bars: BarColumns) -> BarColumns:
    """Return each bar once, with the values that came last, sorted by series and time, as if all had been recorded.

    Args:
        bars: in the order of the log.

    Returns:
        Bars that are ``live`` where detection has judged them; a live poll may bring one too late for that.
    """
    places, keys = Places(), bars.keys
    came = zip(bars.code.tolist(), bars.ts.tolist(), bars.live.tolist(), strict=True)
    judged = np.array([places.takes(keys[code], ts, judged=live) and live for code, ts, live in came], bool)
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rank = np.empty(len(keys), np.int32)
    rank[order] = np.arange(len(keys))
    code = rank[bars.code]
    by_time = np.lexsort((bars.ts, code))
    starts = np.diff(code[by_time], prepend=-1).astype(bool) | np.diff(bars.ts[by_time], prepend=0).astype(bool)
    first = np.flatnonzero(starts)
    last = by_time[np.append(first[1:], len(by_time)) - 1] if len(first) else by_time
    return replace(
        bars.take(last),
        keys=[keys[at] for at in order],
        code=code[last],
        live=np.logical_or.reduceat(judged[by_time], first) if len(first) else judged,
        polled=np.zeros(len(last), np.int64),
    )


def find_changed(then: BarColumns, now: BarColumns) -> np.ndarray:
    """Say which bars have come, or have other values or another judge than they had; bool.

    Args:
        then, now: as ``settle_bars`` gives them, with the same keys.
    """
    if not len(then):
        return np.ones(len(now), bool)
    place_then, place = (it.code.astype(np.int64) * LATEST_MS + it.ts for it in (then, now))
    at = np.minimum(np.searchsorted(place_then, place), len(then) - 1)
    same = (place_then[at] == place) & (then.revision[at] == now.revision) & (then.live[at] == now.live)
    return ~same


def judge_bars(engine: Engine, bars: BarColumns, news: Sequence[NewsItem]) -> list[Alert]:
    """Go through bars and news in order of time, a bar at its close; return what the engine raises.

    Args:
        bars: as ``settle_bars`` gives them.
        news: each article once.
    """
    state, alerts = State("sketch"), []
    for records in _in_order(bars, news):
        detection = detect_records(engine, state, records)
        state = detection.state
        alerts += detection.alerts
    return alerts


def list_changes(told: Mapping[str, Alert], walk: Walk, since_ms: float) -> list[Alert]:
    """List what is to be published, so that what is told of history is what the walk says of it.

    Args:
        told: the newest message of each alert of history.
        since_ms: what is of bars before, stays as it is told; UTC epoch ms.

    Returns:
        All messages of an alert that is not told; of one that is told otherwise its newest, as confirmed; and those
        that are told wrongly, as retracted. What is told of a bar that the log has no more, is left.
    """
    courses: dict[str, list[Alert]] = {}
    for alert in walk.alerts:
        courses.setdefault(alert.event_id, []).append(alert)
    changes = []
    for name, course in courses.items():
        then, now = told.get(name), course[-1]
        if max(now.ts_ms, then.ts_ms if then else 0) < since_ms:
            continue
        if then is None or then.status == "retracted":
            changes += course
        elif wire.encode(carry_status(then, now)) != wire.encode(then):
            changes.append(_correct(now, "confirmed", then))
    gone = (it for name, it in told.items() if name not in courses and it.status != "retracted")
    return changes + [_correct(it, "retracted", it) for it in gone if it.ts_ms >= since_ms and _holds(walk.bars, it)]


def read_told(kafka: Kafka, partition: int) -> dict[str, Alert]:
    """Read the newest message of each alert of history about a symbol of the partition, by id.

    An alert that detection has told of since, because a live poll brought its bar, is no longer one of history.
    """
    told: dict[str, Alert] = {}
    for batch in broker.read_all(kafka, {(broker.ALERTS, partition): None}):
        for message in batch.messages:
            # Landing reports what is no record.
            with suppress(wire.WireError):
                alert = wire.decode(message.value)
                if isinstance(alert, Alert) and is_history(alert):
                    told[alert.event_id] = alert
                else:
                    told.pop(alert.event_id, None)
    return told


def is_history(alert: Alert) -> bool:
    """Say whether an alert was raised by judging history; what a backfill meets of operations, detection tells."""
    return alert.source == "backfill" and kind_of(alert.rule) == "market" and alert.symbol != MARKET


def carry_status(told: Alert, alert: Alert) -> Alert:
    """Return the alert with what the message that told of it says of itself: its status, and what stood before."""
    about = {"status": told.status, "before_value": told.before_value, "before_threshold": told.before_threshold}
    return structs.replace(alert, **about)


def _read(
    kafka: Kafka, position: Position, until: Place | None, places: dict[Position, Place]
) -> Iterator[tuple[bool, list[Bar | Watermark | NewsItem]]]:
    """Yield the usable records of a position, and of each batch whether it lies before a place; note where it ends."""
    end = until.offset if until else 0
    with broker.Reader(kafka, {position: None}) as reader:
        for batch in reader.read_all():
            before = [message for message in batch.messages if message.offset < end]
            behind = [message for message in batch.messages if message.offset >= end]
            yield from ((was, decode_messages(it).records) for was, it in ((True, before), (False, behind)) if it)
        places |= reader.places


def _in_order(bars: BarColumns, news: Sequence[NewsItem]) -> Iterator[list[Bar | NewsItem]]:
    """Yield bars and news by the time from which on they are known; of one moment, bars first."""
    span = np.array([SPAN_MS[timespan] for _, timespan in bars.keys], np.int64)
    known_ms = np.append(bars.ts + span[bars.code], np.array([item.published_ms for item in news], np.int64))
    order = np.argsort(known_ms, kind="stable")
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        own = iter(bars.take(chunk[chunk < len(bars)]).to_records())
        yield [next(own) if at < len(bars) else news[at - len(bars)] for at in chunk.tolist()]


def _correct(alert: Alert, status: Literal["confirmed", "retracted"], then: Alert) -> Alert:
    return structs.replace(alert, status=status, before_value=then.value, before_threshold=then.threshold)


def _holds(bars: BarColumns, alert: Alert) -> bool:
    """Say whether bars, sorted by series and time, have the one that an alert is about."""
    key = alert.symbol, alert.timespan
    if key not in bars.keys:
        return False
    first, last = np.searchsorted(bars.code, [bars.keys.index(key), bars.keys.index(key) + 1])
    at = first + int(np.searchsorted(bars.ts[first:last], alert.ts_ms))
    return bool(at < last and bars.ts[at] == alert.ts_ms)
