"""Moves of the whole market: found among the stored alerts by whoever sees all partitions, and published once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from include.orchestration.application.alerts import store_alerts
from include.orchestration.application.database import statement
from include.surveillance import wire
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.notification import LastNotified
from include.surveillance.records import Alert
from include.surveillance.settings import Settings
from include.surveillance.timespans import MINUTE_MS

# A market event's minutes may begin in an earlier batch.
LOOK_BACK_MS = 30 * MINUTE_MS


def find_events(cursor: Any, alerts: Sequence[Alert], watched: int) -> list[Alert]:
    """Find the market events that the alerts are part of, together with what earlier batches brought.

    Args:
        cursor: of the transaction that has stored the alerts.
        watched: symbols on the watchlist.
    """
    from include.surveillance.alerts.market_events import RULE, find_market_events
    from include.surveillance.detection.parameters.book import ParameterBook

    book = ParameterBook.load(Settings.from_env().parameters_file).base
    events = []
    for source in ("live", "backfill"):
        own = [
            alert
            for alert in alerts
            if alert.source == source and alert.rule != RULE and kind_of(alert.rule) == "market"
        ]
        ids = {alert.event_id for alert in own}
        for since_ms, until_ms in _cut_windows(own):
            about = {"since_ms": since_ms, "until_ms": until_ms, "source": source, "except_rule": RULE}
            cursor.execute(statement("standing_alerts"), about)
            records = [wire.decode(row[0].encode()) for row in cursor.fetchall()]
            standing = [record for record in records if isinstance(record, Alert)]
            found = find_market_events(standing, watched, breadth=book.market_breadth, minimum=book.market_minimum)
            events += [event for event in found if not ids.isdisjoint(event.event_ids)]
    return events


def store_events(cursor: Any, events: Sequence[Alert]) -> tuple[list[tuple[Alert, LastNotified]], list[Alert]]:
    """Store the events as alerts, each with what people know of it; return also those that are to be published.

    An event is known to be published once it has come back from the log as it is. So whoever stores it and dies before
    it is published, finds it unpublished when the same alerts are read again.
    """
    cursor.execute(statement("published_alerts"), {"alert_ids": [event.event_id for event in events]})
    known = {alert_id: (wire.decode(record.encode()), at_ms) for alert_id, record, at_ms in cursor.fetchall()}
    published = {event.event_id for event in events if known.get(event.event_id, (None, 0))[0] == event}
    stamps = {name: LatencyStamps(published_ms=known[name][1]) for name in published}
    stored = store_alerts(cursor, events, stamps)
    return stored, [event for event in events if event.event_id not in published]


def _cut_windows(alerts: Sequence[Alert]) -> Iterator[tuple[int, int]]:
    """Yield the times, UTC epoch ms, in which alerts lie that may be of one event with these."""
    spans = sorted((alert.episode_start_ms - LOOK_BACK_MS, alert.ts_ms + LOOK_BACK_MS) for alert in alerts)
    since_ms, until_ms = spans[0] if spans else (0, 0)
    for start_ms, end_ms in spans:
        if start_ms > until_ms:
            yield since_ms, until_ms
            since_ms, until_ms = start_ms, end_ms
        until_ms = max(until_ms, end_ms)
    if spans:
        yield since_ms, until_ms
