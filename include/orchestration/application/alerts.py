"""Table ``alerts``: one row per alert id, so that an alert consumed twice stays one row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from include.orchestration.application.database import statement
from include.surveillance import wire
from include.surveillance.alerts.kinds import kind_of
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.alerts.notification import LastNotified, reason_not_to_notify
from include.surveillance.records import Alert

ROWS_PER_STATEMENT = 1_000


def store_alerts(
    cursor: Any, alerts: Iterable[Alert], stamps: Mapping[str, LatencyStamps] | None = None
) -> list[tuple[Alert, LastNotified]]:
    """Store the last message of each alert; return it with what people were last notified of.

    An alert that nobody need be notified of is stored as such, and needs no second look.

    Args:
        cursor: of the transaction that also decides what people are notified of.
        stamps: of the last messages, by alert id.
    """
    newest = list({alert.event_id: alert for alert in alerts}.values())
    notified: dict[str, LastNotified] = {}
    for start in range(0, len(newest), ROWS_PER_STATEMENT):
        messages = _encode_messages(newest[start : start + ROWS_PER_STATEMENT], stamps or {})
        cursor.execute(statement("upsert_alerts"), {"messages": messages})
        notified |= {alert_id: LastNotified(*last) for alert_id, *last in cursor.fetchall()}
    return [(alert, notified[alert.event_id]) for alert in newest]


def mark_alerts(
    cursor: Any, alerts: Sequence[Alert], notification: str, status: str, inhibited_by: str | None = None
) -> None:
    """Store what became of the alerts' notification.

    Args:
        notification: ``outbox`` where the messages to the channels say it, or why there is none.
        status: what people know from now on: fired, covered, ended or retracted.
        inhibited_by: the market event or the incident that covers the alerts.
    """
    if not alerts:
        return
    ids = [alert.event_id for alert in alerts]
    marks = {"notification": notification, "status": status, "inhibited_by": inhibited_by, "alert_ids": ids}
    cursor.execute(statement("mark_notified"), marks)


def _encode_messages(alerts: Sequence[Alert], stamps: Mapping[str, LatencyStamps]) -> str:
    """Encode alerts as published, each with its stamps, as one JSON array."""
    from include.surveillance.alerts.incidents import incident_of  # numpy is too heavy for whoever parses a DAG

    unknown, never = LatencyStamps(), LastNotified()
    messages = []
    for alert in alerts:
        reason = reason_not_to_notify(alert, never)
        message = {
            "record": msgspec.Raw(wire.encode(alert)),
            "alert_kind": kind_of(alert.rule),
            "incident": incident_of(alert),
            "reason_not_to_notify": reason and reason.describe(alert),
        }
        messages.append(message | stamps.get(alert.event_id, unknown)._asdict())
    return msgspec.json.encode(messages).decode()
