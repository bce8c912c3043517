"""Store each alert as one row, and with it, in one transaction, what each channel is to be told of it.

Senders of their own take it from there: a channel that is down delays its messages, never a row nor another channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import astuple, replace

from include.orchestration import connections
from include.orchestration.application.alerts import mark_alerts, store_alerts
from include.orchestration.application.database import statement
from include.orchestration.application.outbox import Version, add_alerts
from include.orchestration.application.restores import TOLD_BEFORE, split_told
from include.orchestration.application.silences import list_in_force, mark_silenced
from include.orchestration.application.watchlist import read_watched
from include.orchestration.market_events import find_events, store_events
from include.surveillance import failpoints, wire
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.alerts.notification import OVER, LastNotified, Notification
from include.surveillance.desk.silences import Silence, find_silence, split_silenced
from include.surveillance.records import Alert
from include.surveillance.settings import Settings
from include.surveillance.timespans import now_ms, to_utc

GROUP = "notifier"
# Why nobody is notified of a symbol's alerts that has no profile yet; DAG prepare_symbols brings it.
NEW_SYMBOL = "the symbol is new"
# Of what stands in an index, with a channel and a version beside it: PostgreSQL refuses more than 2,704 there.
LONGEST_KEY_BYTES = 2_000


def notify_backlog(kafka: dict[str, Any], partitions: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Notify of everything from the group's committed offsets to the end, then commit; return counts.

    A crash before the commit repeats the read, which changes no row and notifies nobody twice. Events of the market
    are published with the commit, and so come back as alerts that have been told of.
    """
    from include.surveillance import broker  # Kafka's client is too heavy for whoever parses the DAG

    places, breaks = broker.resume(kafka, broker.committed(kafka, GROUP, partitions))
    if breaks:
        broker.publish(kafka, describe_breaks(breaks, now_ms()))
    batch = broker.read(kafka, places, headers=True)
    alerts, rejects, stamps = [], [], {}
    for message in batch.messages:
        try:
            record = wire.decode(message.value)
            if not isinstance(record, Alert):
                raise wire.WireError(f"a {type(record).__name__} on topic {message.topic}")
            if reason := _why_unstorable(record):
                raise wire.WireError(reason)
            alerts.append(record)
            stamps[record.event_id] = LatencyStamps.from_headers(message.headers, message.timestamp_ms)
        except wire.WireError as error:
            rejects.append(message.rejected("consume", "not an alert", str(error)))
    watched, unready = read_watched() if alerts else (None, set())
    alerts = [replace(it, inhibited_by=NEW_SYMBOL) if it.symbol in unready else it for it in alerts]
    events: list[Alert] = []
    counts = notify(alerts, watched, stamps, events.extend) if alerts else {}
    if rejects:
        broker.publish(kafka, rejects)
    failpoints.reach("notify.queued")
    if events:
        # Whoever reads the same alerts again, finds the same events: they and the offsets are stored together.
        with broker.Transactions(kafka, GROUP, GROUP) as transactions, transactions.transaction() as transaction:
            transaction.send_all(events)
            transaction.add_places(batch.places)
    else:
        broker.commit(kafka, GROUP, batch.places)
    return counts | {"rejected": len(rejects)}


def notify(
    alerts: Sequence[Alert],
    watched: int | None = None,
    stamps: Mapping[str, LatencyStamps] | None = None,
    publish: Callable[[Sequence[Alert]], object] = lambda events: None,
) -> dict[str, int]:
    """Store every alert, queue for each channel what is new in the live ones; return counts.

    People are notified once of an alert, again when its severity rises, and when it has ended or is retracted; of
    those of the feed as one incident. An alert that is inhibited, goes on as before, is silenced, belongs to a backfill
    or was told of before a restore is only stored.

    Args:
        watched: symbols on the watchlist; None does not look for market events.
        stamps: of the alerts' last messages, by alert id.
        publish: takes the events of the market that the alerts' topic does not have as they are now.
    """
    stamps, now = stamps or {}, datetime.now(UTC)
    with connections.application_database() as database, database.cursor() as cursor:
        silences = list_in_force(cursor, now)
        stored = store_alerts(cursor, alerts, stamps)
        events, unpublished = store_events(cursor, find_events(cursor, alerts, watched)) if watched else ([], [])
        incidents = store_alerts(cursor, _fold_incidents(cursor, alerts, silences, now))
        silenced, (stored, events, incidents) = split_silenced(silences, now, stored, events, incidents)
        notification, settings = Notification.compose(stored, events, incidents), Settings.from_env()
        news, told_before = split_told(cursor, notification.alerts, timedelta(minutes=settings.poll_overlap_minutes))
        add_alerts(cursor, _name_versions(news, stamps), settings.channels())
        for known, mark in ((news, "outbox"), (told_before, f"not sent: {TOLD_BEFORE}")):
            for status in ("fired", *OVER):
                mark_alerts(cursor, [it for it in known if LastNotified.of(it).status == status], mark, status)
        for reason, covered in notification.covered.items():
            mark_alerts(cursor, covered, f"not sent: {reason}", "covered", reason)
        for reason, quiet in silenced.items():
            mark_silenced(cursor, reason, quiet)
    failpoints.reach("notify.recorded")
    publish(unpublished)
    return {"alerts": len(alerts), "notified": len(news)}


def _name_versions(alerts: Sequence[Alert], stamps: Mapping[str, LatencyStamps]) -> list[Version]:
    """Name each alert's version by when Kafka stored its message: the same whenever the message is read again."""
    now = now_ms()
    published = {alert_id: stamp.published_ms for alert_id, stamp in stamps.items() if stamp.published_ms}
    versions = []
    for alert in alerts:
        name = published.get(alert.event_id)
        # Nobody published an event of the market or an incident: it is as old as the newest of its alerts.
        known_ms = name or max((published[it] for it in alert.event_ids if it in published), default=now)
        own = name or f"{alert.status} {alert.severity} {alert.firings}"
        versions.append(Version(alert, str(own), to_utc(min(known_ms, now))))
    return versions


def _fold_incidents(cursor: Any, alerts: Sequence[Alert], silences: Sequence[Silence], now: datetime) -> list[Alert]:
    """Fold the incidents that the alerts are part of, together with what earlier batches brought.

    What is silenced does not count: an incident is what people are told of.
    """
    if all(kind_of(alert.rule) == "market" for alert in alerts):
        return []
    from include.surveillance.alerts.incidents import fold_incidents, incident_of

    cursor.execute(
        statement("incident_members"), {"incidents": list({incident_of(alert) for alert in alerts} - {None})}
    )
    records = [wire.decode(row[0].encode()) for row in cursor.fetchall()]
    standing = (record for record in records if isinstance(record, Alert))
    return fold_incidents(it for it in standing if it.status in OVER or find_silence(silences, it, now) is None)


def _why_unstorable(alert: Alert) -> str | None:
    """Why no row can hold the alert. Detection makes none such; whoever else writes to the topic may."""
    from include.surveillance.timespans import LATEST_MS

    values = [*astuple(alert), *alert.event_ids]
    if "\0" in "".join(value for value in values if type(value) is str):
        return "a text holds the character NUL, which PostgreSQL cannot store"
    if alert.firings >= 2**31 or any(abs(value) > LATEST_MS for value in values if type(value) is int):
        return f"a number is beyond {LATEST_MS}"
    if max(len(key.encode()) for key in (alert.event_id, alert.rule, alert.symbol)) > LONGEST_KEY_BYTES:
        return f"its id, rule or symbol is longer than {LONGEST_KEY_BYTES} bytes"
    return None
