"""Store each alert as one row, and notify people of it once.

A row is stored before anybody is notified: a channel that is down delays the message, never the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import asdict, astuple

from include.orchestration import channels, connections
from include.orchestration.application.alerts import mark_alerts, store_alerts
from include.orchestration.application.database import statement
from include.orchestration.ingest import polling
from include.surveillance import failpoints, wire
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.notification import Notification
from include.surveillance.records import Alert
from include.surveillance.settings import Settings
from include.surveillance.timespans import MINUTE_MS

GROUP = "notifier"
LINES_PER_MESSAGE = 20
# A market event's minutes may begin in an earlier batch.
LOOK_BACK_MS = 30 * MINUTE_MS


def notify_backlog(kafka: dict[str, Any], partitions: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Notify of everything from the group's committed offsets to the end, then commit; return counts.

    A crash before the commit repeats the read, which changes no row and notifies nobody twice.
    """
    from include.surveillance import broker  # Kafka's client is too heavy for whoever parses the DAG

    batch = broker.read(kafka, broker.committed(kafka, GROUP, partitions), headers=True)
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
    # Airflow is asked for the watchlist, which a backfill's thousands of alerts have no use for.
    watched = len(polling.read_watchlist()) if any(alert.source == "live" for alert in alerts) else None
    counts = notify(alerts, watched, stamps) if alerts else {}
    if rejects:
        broker.publish(kafka, rejects)
    failpoints.reach("notify.sent")
    broker.commit(kafka, GROUP, batch.next_offsets)
    return counts | {"rejected": len(rejects)}


def notify(
    alerts: Sequence[Alert], watched: int | None = None, stamps: Mapping[str, LatencyStamps] | None = None
) -> dict[str, int]:
    """Store every alert, notify people of what is new in the live ones; return counts.

    People are notified once of an alert, again when its severity rises, and when it is retracted. An alert that is
    inhibited, goes on as before or belongs to a backfill is only stored.

    Args:
        watched: symbols on the watchlist; None does not look for market events.
        stamps: of the alerts' last messages, by alert id.
    """
    stored = store_alerts(alerts, stamps)
    failpoints.reach("notify.recorded")
    events = store_alerts(_find_market_events(alerts, watched)) if watched else []
    notification = Notification.compose(stored, events)
    if notification.lines:
        detail = {"alerts": [asdict(alert) | {"event_ids": list(alert.event_ids)} for alert in notification.alerts]}
        channel = channels.send_message(_join_lines(notification.lines), detail)
        mark_alerts([alert for alert in notification.alerts if alert.status != "retracted"], channel, "fired")
        mark_alerts([alert for alert in notification.alerts if alert.status == "retracted"], channel, "retracted")
    # Only now: had the message been refused, the next attempt must see them as they were.
    for reason, covered in notification.covered.items():
        mark_alerts(covered, f"not sent: {reason}", "covered", reason)
    return {"alerts": len(alerts), "notified": len(notification.alerts)}


def _join_lines(lines: Sequence[str]) -> str:
    more = len(lines) - LINES_PER_MESSAGE
    rest = [f"... and {more} more on page Market surveillance"] if more > 0 else []
    return "\n".join([*lines[:LINES_PER_MESSAGE], *rest])


def _find_market_events(alerts: Sequence[Alert], watched: int) -> list[Alert]:
    """Find the market events that the alerts are part of, together with what earlier batches brought."""
    from include.surveillance.alerts.market_events import RULE, find_market_events
    from include.surveillance.detection.parameters.book import ParameterBook

    starts = [alert.episode_start_ms for alert in alerts if alert.source == "live"]
    if not starts:
        return []
    window = {"since_ms": min(starts) - LOOK_BACK_MS, "until_ms": max(alert.ts_ms for alert in alerts)}
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("standing_alerts"), window | {"except_rule": RULE})
        records = [wire.decode(row[0].encode()) for row in cursor.fetchall()]
    standing = [record for record in records if isinstance(record, Alert)]
    book = ParameterBook.load(Settings.from_env().parameters_file).base
    events = find_market_events(standing, watched, breadth=book.market_breadth, minimum=book.market_minimum)
    ids = {alert.event_id for alert in alerts}
    return [event for event in events if not ids.isdisjoint(event.event_ids)]


def _why_unstorable(alert: Alert) -> str | None:
    """Why no row can hold the alert. Detection makes none such; whoever else writes to the topic may."""
    from include.surveillance.validity import LATEST_MS

    values = [*astuple(alert), *alert.event_ids]
    if "\0" in "".join(value for value in values if type(value) is str):
        return "a text holds the character NUL, which PostgreSQL cannot store"
    if alert.firings >= 2**31 or any(abs(value) > LATEST_MS for value in values if type(value) is int):
        return f"a number is beyond {LATEST_MS}"
    return None
