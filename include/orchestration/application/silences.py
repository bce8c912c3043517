"""Table ``silences``: of which alerts people are not told, by whom, why and until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from include.orchestration import connections
from include.orchestration.application.audit import Act, record_acts
from include.orchestration.application.database import statement
from include.surveillance.desk.policy import Policy
from include.surveillance.desk.silences import Matcher, Preview, Silence, check_silence, preview_silence
from include.surveillance.errors import ActRefusedError, UnknownObjectError
from include.surveillance.records import Alert
from include.surveillance.severities import Severity

KIND = "silence"
MOST_SILENCES = 500


class Traits(NamedTuple):
    """What a matcher asks of an alert."""

    rule: str
    symbol: str
    timespan: str
    tag: str | None
    severity: Severity


def silence(actor: str, matcher: Matcher, reason: str, begins_at: datetime, ends_at: datetime, policy: Policy) -> int:
    """Let people not be told of some alerts until then; return the silence's number.

    Raises:
        ActRefusedError: it is of everything, or too long.
    """
    check_silence(matcher, begins_at, ends_at, policy)
    values: dict[str, Any] = {"reason": reason, "author": actor, "begins_at": begins_at, "ends_at": ends_at}
    with connections.desk_database() as database, database.cursor() as cursor:
        cursor.execute(statement("insert_silence"), {"matcher": msgspec.json.encode(matcher).decode(), **values})
        ((number,),) = cursor.fetchall()
        made = Silence(silence_id=number, matcher=matcher, **values)
        record_acts(cursor, [Act(actor, "silence", KIND, str(number), None, made, reason)])
        return int(number)


def end_silence(actor: str, number: int, now: datetime) -> Silence:
    """End a silence before its time.

    Raises:
        UnknownObjectError: there is none of this number.
        ActRefusedError: it is over.
    """
    with connections.desk_database() as database, database.cursor() as cursor:
        cursor.execute(statement("lock_silence"), {"silence_id": number})
        rows = cursor.fetchall()
        if not rows:
            raise UnknownObjectError(f"there is no silence {number}")
        before = read_silence(rows[0])
        if before.ends_at <= now:
            raise ActRefusedError(f"silence {number} has ended at {before.ends_at.isoformat()} already")
        after = replace(before, ends_at=max(now, before.begins_at), ended_by=actor)
        values = {"silence_id": number, "ends_at": after.ends_at, "ended_by": actor}
        cursor.execute(statement("end_silence"), values)
        record_acts(cursor, [Act(actor, "end", KIND, str(number), before, after)])
        return after


def list_silences() -> list[Silence]:
    """List the silences that end last, at most MOST_SILENCES, over or not."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_silences"), {"in_force_at": None, "limit": MOST_SILENCES})
        return [read_silence(row) for row in cursor.fetchall()]


def list_in_force(cursor: Any, at: datetime) -> list[Silence]:
    """List all silences that are in force then."""
    cursor.execute(statement("select_silences"), {"in_force_at": at, "limit": None})
    return [read_silence(row) for row in cursor.fetchall()]


def preview(matcher: Matcher, since: datetime) -> Preview:
    """Count the live alerts since then that a silence would have kept from people."""
    with connections.application_reader() as database, database.cursor() as cursor:
        values = {"since": since, "rule": matcher.rule, "symbol": matcher.symbol}
        cursor.execute(statement("select_traits"), values)
        return preview_silence(matcher, [Traits(*row) for row in cursor.fetchall()])


def mark_silenced(cursor: Any, reason: str, alerts: Sequence[Alert]) -> None:
    """Store of alerts of which people know nothing that they were not told because of a silence."""
    cursor.execute(statement("mark_silenced"), {"reason": reason, "alert_ids": [alert.event_id for alert in alerts]})


def read_silence(row: Sequence[Any]) -> Silence:
    """Read a row of the table."""
    number, matcher, *rest = row
    names = ("reason", "author", "begins_at", "ends_at", "ended_by")
    read = msgspec.convert(matcher, Matcher)
    return Silence(silence_id=number, matcher=read, **dict(zip(names, rest, strict=True)))
