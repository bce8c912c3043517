"""Table ``alerts``: one row per alert id, so the same alert consumed twice stays one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from include.orchestration import connections
from include.orchestration.application.statements import dicts, statement
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.notification import LastNotified, reason_not_to_notify

if TYPE_CHECKING:
    from include.surveillance.records import Alert

ROWS = 1_000  # of one statement


def record(
    alerts: Iterable[Alert], moments: Mapping[str, LatencyStamps] | None = None
) -> list[tuple[Alert, LastNotified]]:
    """Store the alerts, the last message of each with its moments, and say what people know of them.

    What nobody need be told of is stored as such, and needs no second look.
    """
    newest = list({alert.event_id: alert for alert in alerts}.values())
    told: dict[str, LastNotified] = {}
    with connections.application_database() as database, database.cursor() as cursor:
        for start in range(0, len(newest), ROWS):
            messages = _messages(newest[start : start + ROWS], moments or {})
            cursor.execute(statement("upsert_alerts"), {"messages": messages})
            told |= {alert_id: LastNotified(*known) for alert_id, *known in cursor.fetchall()}
    return [(alert, told[alert.event_id]) for alert in newest]


def newest(filters: dict[str, Any], limit: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The newest alerts and the counts per rule; filters symbol, rule, severity, since, until (None: all)."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("newest_alerts"), filters | {"limit": limit})
        alerts = dicts(cursor)
        cursor.execute(statement("count_alerts"), filters)
        return alerts, dicts(cursor)


def mark(alerts: Sequence[Alert], notification: str, told: str | None = None, inhibited_by: str | None = None) -> None:
    if not alerts:
        return
    ids = [alert.event_id for alert in alerts]
    marks = {"notification": notification, "told": told, "inhibited_by": inhibited_by, "alert_ids": ids}
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("mark_notified"), marks)


def _messages(alerts: Sequence[Alert], moments: Mapping[str, LatencyStamps]) -> str:
    """Alerts as published, each with its moments, as one JSON array."""
    import msgspec

    from include.surveillance import wire

    unknown, nothing = LatencyStamps(), LastNotified()
    messages = []
    for alert in alerts:
        reason = reason_not_to_notify(alert, nothing)
        message = {"record": msgspec.Raw(wire.encode(alert)), "reason_not_to_notify": reason and reason.describe(alert)}
        messages.append(message | moments.get(alert.event_id, unknown)._asdict())
    return msgspec.json.encode(messages).decode()
