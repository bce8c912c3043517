"""The application's own record of alerts in PostgreSQL, and telling people about them once.

Table ``alerts`` has one row per alert id, so the same alert consumed twice stays one row. A row is stored
before anybody is told: a channel that is down delays the message, never the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.orchestration import channels, connections
from include.orchestration.application.alerts import mark, record
from include.orchestration.application.statements import statement
from include.orchestration.ingest import polling
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.notification import Notification

if TYPE_CHECKING:
    from include.surveillance.records import Alert

GROUP = "notifier"
LINES_PER_MESSAGE = 20
# An event's minutes may begin in an earlier batch.
LOOK_BACK_MS = 30 * 60_000


def notify(
    alerts: Sequence[Alert], watched: int | None = None, moments: Mapping[str, LatencyStamps] | None = None
) -> dict[str, int]:
    """Record every alert, tell of what is new in the live ones; counts only.

    People are told once of an alert, again when its severity rises, and when it is withdrawn. What is inhibited, goes
    on as before or belongs to a backfill is recorded and not told.

    Args:
        watched: symbols on the watchlist; None does not look for events of the whole market.
        moments: of the alerts' last messages, by alert id.
    """
    from include.surveillance import failpoints

    stored = record(alerts, moments)
    failpoints.reach("notify.recorded")
    events = record(_events(alerts, watched)) if watched else []
    notification = Notification.compose(stored, events)
    if notification.lines:
        detail = {"alerts": [_fields(alert) for alert in notification.alerts]}
        sent = channels.send(_message(notification.lines), detail)
        mark([alert for alert in notification.alerts if alert.status != "retracted"], sent, "fired")
        mark([alert for alert in notification.alerts if alert.status == "retracted"], sent, "retracted")
    # Only now: had the message been refused, the next attempt must find them as they were.
    for reason, covered in notification.covered.items():
        mark(covered, f"not sent: {reason}", "covered", reason)
    return {"recorded": len(alerts), "told": len(notification.alerts)}


def _message(lines: Sequence[str]) -> str:
    more = len(lines) - LINES_PER_MESSAGE
    rest = [f"... and {more} more on page Market surveillance"] if more > 0 else []
    return "\n".join([*lines[:LINES_PER_MESSAGE], *rest])


def _events(alerts: Sequence[Alert], watched: int) -> list[Alert]:
    """Events that the alerts are part of, together with what earlier batches brought of the same minutes."""
    from include.surveillance import wire
    from include.surveillance.alerts.market_events import RULE, find_market_events
    from include.surveillance.detection.parameters.book import ParameterBook
    from include.surveillance.settings import Settings

    starts = [alert.episode_start_ms for alert in alerts if alert.source == "live"]
    if not starts:
        return []
    window = {"since_ms": min(starts) - LOOK_BACK_MS, "until_ms": max(alert.ts_ms for alert in alerts)}
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("standing_alerts"), window | {"except_rule": RULE})
        standing = [wire.decode(row[0].encode()) for row in cursor.fetchall()]
    book = ParameterBook.load(Settings.from_env().parameters_file).base
    found = find_market_events(standing, watched, breadth=book.market_breadth, minimum=book.market_minimum)
    mine = {alert.event_id for alert in alerts}
    return [event for event in found if not mine.isdisjoint(event.event_ids)]


def notify_backlog(kafka: dict[str, Any], partitions: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Notify of everything from the group's committed offsets to the end, then commit; counts only.

    A crash before the commit repeats the read, which changes no row and tells nobody twice.
    """
    from include.surveillance import broker, failpoints, wire
    from include.surveillance.records import Alert

    batch = broker.read(kafka, broker.committed(kafka, GROUP, partitions), headers=True)
    alerts, rejects, moments = [], [], {}
    for message in batch.messages:
        try:
            record = wire.decode(message.value)
            if not isinstance(record, Alert):
                raise wire.WireError(f"a {type(record).__name__} on topic {message.topic}")
            if reason := _unstorable(record):
                raise wire.WireError(reason)
            alerts.append(record)
            moments[record.event_id] = LatencyStamps.from_headers(message.headers, message.timestamp_ms)
        except wire.WireError as error:
            rejects.append(message.rejected("consume", "not an alert", str(error)))
    # Airflow is asked for the watchlist, which a backfill's thousands of alerts have no use for.
    watched = len(polling.symbols()) if any(alert.source == "live" for alert in alerts) else None
    counts = notify(alerts, watched, moments) if alerts else {}
    if rejects:
        broker.publish(kafka, rejects)
    failpoints.reach("notify.told")
    broker.commit(kafka, GROUP, batch.next_offsets)
    return counts | {"rejected": len(rejects)}


def _unstorable(alert: Alert) -> str | None:
    """Why no row can hold the alert; the engine makes none such, whoever else writes to the topic may."""
    from msgspec.structs import astuple

    from include.surveillance.validity import LATEST_MS

    values = [*astuple(alert), *alert.event_ids]
    if "\0" in "".join(value for value in values if type(value) is str):
        return "a text holds the character NUL, which PostgreSQL cannot store"
    if alert.firings >= 2**31 or any(abs(value) > LATEST_MS for value in values if type(value) is int):
        return f"a number is beyond {LATEST_MS}"
    return None


def _fields(alert: Alert) -> dict[str, Any]:
    from msgspec.structs import asdict

    return asdict(alert) | {"event_ids": list(alert.event_ids)}
