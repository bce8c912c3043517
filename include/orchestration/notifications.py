"""The application's own record of alerts in PostgreSQL, and telling people about them once.

Table ``alerts`` has one row per alert id, so the same alert consumed twice stays one row. A row is stored
before anybody is told: a channel that is down delays the message, never the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.orchestration import channels, connections, polling
from include.orchestration.bulletin import Bulletin, Told, silence
from include.orchestration.moments import Moments

if TYPE_CHECKING:
    from include.surveillance.models import Alert

GROUP = "notifier"
SQL = Path(__file__).parent / "sql"
LINES_PER_MESSAGE = 20
ROWS = 1_000  # of one statement
# An event's minutes may begin in an earlier batch.
LOOK_BACK_MS = 30 * 60_000


@cache
def statement(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()


def create_tables() -> None:
    """Create what is missing in the application database; safe to repeat."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("create_alerts"))
        cursor.execute(statement("create_alerts_index"))
        cursor.execute(statement("create_batches"))


def record(alerts: Iterable[Alert], moments: Mapping[str, Moments] | None = None) -> list[tuple[Alert, Told]]:
    """Store the alerts, the last message of each with its moments, and say what people know of them.

    What nobody need be told of is stored as such, and needs no second look.
    """
    newest = list({alert.event_id: alert for alert in alerts}.values())
    told: dict[str, Told] = {}
    with connections.application_database() as database, database.cursor() as cursor:
        for start in range(0, len(newest), ROWS):
            messages = _messages(newest[start : start + ROWS], moments or {})
            cursor.execute(statement("upsert_alerts"), {"messages": messages})
            told |= {alert_id: Told(*known) for alert_id, *known in cursor.fetchall()}
    return [(alert, told[alert.event_id]) for alert in newest]


def notify(
    alerts: Sequence[Alert], watched: int | None = None, moments: Mapping[str, Moments] | None = None
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
    bulletin = Bulletin.of(stored, events)
    if bulletin.lines:
        sent = channels.send(_message(bulletin.lines), {"alerts": [_fields(alert) for alert in bulletin.told]})
        _mark([alert for alert in bulletin.told if alert.status != "retracted"], sent, "fired")
        _mark([alert for alert in bulletin.told if alert.status == "retracted"], sent, "retracted")
    # Only now: had the message been refused, the next attempt must find them as they were.
    for reason, covered in bulletin.covered.items():
        _mark(covered, f"not sent: {reason}", "covered", reason)
    return {"recorded": len(alerts), "told": len(bulletin.told)}


def _message(lines: Sequence[str]) -> str:
    more = len(lines) - LINES_PER_MESSAGE
    rest = [f"... and {more} more on page Market surveillance"] if more > 0 else []
    return "\n".join([*lines[:LINES_PER_MESSAGE], *rest])


def _events(alerts: Sequence[Alert], watched: int) -> list[Alert]:
    """Events that the alerts are part of, together with what earlier batches brought of the same minutes."""
    from include.surveillance import wire
    from include.surveillance.detection.parameters import ParameterBook
    from include.surveillance.grouping import RULE, market_events
    from include.surveillance.settings import Settings

    starts = [alert.episode_start_ms for alert in alerts if alert.source == "live"]
    if not starts:
        return []
    window = {"since_ms": min(starts) - LOOK_BACK_MS, "until_ms": max(alert.ts_ms for alert in alerts)}
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("standing_alerts"), window | {"except_rule": RULE})
        standing = [wire.decode(row[0].encode()) for row in cursor.fetchall()]
    book = ParameterBook.load(Settings.from_env().parameters_file).base
    found = market_events(standing, watched, breadth=book.market_breadth, minimum=book.market_minimum)
    mine = {alert.event_id for alert in alerts}
    return [event for event in found if not mine.isdisjoint(event.event_ids)]


def notify_backlog(kafka: dict[str, Any], partitions: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Notify of everything from the group's committed offsets to the end, then commit; counts only.

    A crash before the commit repeats the read, which changes no row and tells nobody twice.
    """
    from include.surveillance import broker, failpoints, wire
    from include.surveillance.models import Alert

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
            moments[record.event_id] = Moments.of(message)
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

    from include.surveillance.detection.admission import LATEST_MS

    values = [*astuple(alert), *alert.event_ids]
    if "\0" in "".join(value for value in values if type(value) is str):
        return "a text holds the character NUL, which PostgreSQL cannot store"
    if alert.firings >= 2**31 or any(abs(value) > LATEST_MS for value in values if type(value) is int):
        return f"a number is beyond {LATEST_MS}"
    return None


def newest(filters: dict[str, Any], limit: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The newest alerts and the counts per rule; filters symbol, rule, severity, since, until (None: all)."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("newest_alerts"), filters | {"limit": limit})
        alerts = dicts(cursor)
        cursor.execute(statement("count_alerts"), filters)
        return alerts, dicts(cursor)


def _mark(alerts: Sequence[Alert], notification: str, told: str | None = None, inhibited_by: str | None = None) -> None:
    if not alerts:
        return
    ids = [alert.event_id for alert in alerts]
    marks = {"notification": notification, "told": told, "inhibited_by": inhibited_by, "alert_ids": ids}
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("mark_notified"), marks)


def _messages(alerts: Sequence[Alert], moments: Mapping[str, Moments]) -> str:
    """Alerts as published, each with its moments, as one JSON array."""
    import msgspec

    from include.surveillance import wire

    unknown, nothing = Moments(), Told(None, None)
    messages = [
        {"record": msgspec.Raw(wire.encode(alert)), "silence": silence(alert, nothing)}
        | moments.get(alert.event_id, unknown)._asdict()
        for alert in alerts
    ]
    return msgspec.json.encode(messages).decode()


def _fields(alert: Alert) -> dict[str, Any]:
    from msgspec.structs import asdict

    return asdict(alert) | {"event_ids": list(alert.event_ids)}


def dicts(cursor: Any) -> list[dict[str, Any]]:
    """What the cursor found, each row by its columns' names."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
