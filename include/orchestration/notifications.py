"""The application's own record of alerts in PostgreSQL, and telling people about them once.

Table ``alerts`` has one row per alert id, so the same alert consumed twice stays one row. A row is stored
before anybody is told: a channel that is down delays the message, never the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.orchestration import channels, connections

if TYPE_CHECKING:
    from include.surveillance.models import Alert

GROUP = "notifier"
SQL = Path(__file__).parent / "sql"
LINES_PER_MESSAGE = 20


@cache
def statement(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()


def create_tables() -> None:
    """Create what is missing in the application database; safe to repeat."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("create_alerts"))
        cursor.execute(statement("create_alerts_index"))


def record(alerts: Sequence[Alert]) -> list[Alert]:
    """Store the alerts and return those that nobody has been told of yet."""
    pending = {}
    with connections.application_database() as database, database.cursor() as cursor:
        for alert in alerts:
            cursor.execute(statement("upsert_alert"), _row(alert))
            if cursor.fetchone()[0]:
                pending[alert.event_id] = alert
    return list(pending.values())


def tell(alerts: Sequence[Alert]) -> str:
    """One message for all of them; returns where it went, as kept in column ``notification``."""
    lines = [f"[{alert.severity}] {alert.explanation}" for alert in alerts[:LINES_PER_MESSAGE]]
    if len(alerts) > LINES_PER_MESSAGE:
        lines.append(f"... and {len(alerts) - LINES_PER_MESSAGE} more on page Market surveillance")
    return channels.send("\n".join(lines), {"alerts": [_row(alert) for alert in alerts]})


def notify(alerts: Sequence[Alert]) -> dict[str, int]:
    """Record every alert, tell of the new live ones; counts only.

    Alerts of a backfill are history: recorded, not told.
    """
    pending = record(alerts)
    live = [alert for alert in pending if alert.source == "live"]
    past = [alert for alert in pending if alert.source != "live"]
    if live:
        _mark(live, tell(live))
    if past:
        _mark(past, "not sent: backfill")
    return {"recorded": len(alerts), "told": len(live)}


def notify_backlog(kafka: dict[str, Any], partitions: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Notify of everything from the group's committed offsets to the end, then commit; counts only.

    A crash before the commit repeats the read, which changes no row and tells nobody twice.
    """
    from include.surveillance import broker, wire
    from include.surveillance.models import Alert

    batch = broker.read(kafka, broker.committed(kafka, GROUP, partitions))
    alerts, rejects = [], []
    for message in batch.messages:
        try:
            record = wire.decode(message.value)
            if not isinstance(record, Alert):
                raise wire.WireError(f"a {type(record).__name__} on topic {message.topic}")
            alerts.append(record)
        except wire.WireError as error:
            rejects.append(message.rejected("consume", "not an alert", str(error)))
    counts = notify(alerts) if alerts else {}
    if rejects:
        broker.publish(kafka, rejects)
    broker.commit(kafka, GROUP, batch.next_offsets)
    return counts | {"rejected": len(rejects)}


def newest(filters: dict[str, Any], limit: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The newest alerts and the counts per rule; filters symbol, rule, severity, since, until (None: all)."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("newest_alerts"), filters | {"limit": limit})
        alerts = _dicts(cursor)
        cursor.execute(statement("count_alerts"), filters)
        return alerts, _dicts(cursor)


def _mark(alerts: Sequence[Alert], notification: str) -> None:
    with connections.application_database() as database, database.cursor() as cursor:
        ids = [alert.event_id for alert in alerts]
        cursor.execute(statement("mark_notified"), {"notification": notification, "alert_ids": ids})


def _row(alert: Alert) -> dict[str, Any]:
    from msgspec.structs import asdict

    return asdict(alert) | {"event_ids": list(alert.event_ids)}


def _dicts(cursor: Any) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
