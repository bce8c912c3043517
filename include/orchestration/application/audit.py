"""Table ``audit_log``: what people did in Airflow, copied before its table ``log`` is pruned, and at the desk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from include.orchestration import connections
from include.orchestration.application.database import fetch_rows, statement
from include.orchestration.application.requests import record_asked
from include.surveillance.desk.chain import Entry, find_break
from include.surveillance.errors import SurveillanceError

ROWS_PER_STATEMENT = 1_000


class Act(NamedTuple):
    """What somebody did at the desk.

    Attributes:
        actor: the name with which he signs in.
        event: a verb, e.g. close.
        object_kind: alert, silence, case, report, or a request that was refused.
        before: the object as it was; None where there was none or nothing changed.
        after: the object as it is.
        details: what he wrote.
    """

    actor: str
    event: str
    object_kind: str
    object_id: str
    before: Any = None
    after: Any = None
    details: str | None = None


def record_acts(cursor: Any, acts: Iterable[Act]) -> None:
    """Add acts to the audit log, as the last statement of the transaction that does them.

    From here to the transaction's end nobody else adds any: each row has the hash of the one before it.
    """
    record_asked(cursor)
    _add(cursor, acts)


def record_act(act: Act) -> None:
    """Add an act that changes nothing else to the audit log."""
    with connections.desk_database() as database, database.cursor() as cursor:
        _add(cursor, [act])


def _add(cursor: Any, acts: Iterable[Act]) -> None:
    rows = [{"position": position, **act._asdict()} for position, act in enumerate(acts)]
    if rows:
        cursor.execute(statement("insert_acts"), {"acts": msgspec.json.encode(rows).decode()})


def select_acts(filters: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """Return acts at the desk, the newest first.

    Args:
        filters: object_kind and object_id, None for all; before, the audit_id that they come before.
    """
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_object_acts"), {**filters, "limit": limit})
        return fetch_rows(cursor)


def update_audit(delete_before: datetime) -> dict[str, Any]:
    """Add to the audit log what Airflow's table ``log`` has of people's acts and it has not; delete what is old.

    PostgreSQL refuses to delete what is younger than five years, and any other change.

    Returns:
        ``added``, how many, and ``newest``, the hash of the last row: whoever keeps it elsewhere can tell later
        whether rows are missing at the end.

    Raises:
        ConfigurationError: connection ``airflow_db`` is missing.
        SurveillanceError: a row is not as it was written, or one before it is missing.
    """
    added = 0
    with connections.application_database() as database, database.cursor() as cursor:
        for acts in _select_airflow_acts(delete_before):
            cursor.execute(statement("insert_audit"), {"acts": json.dumps(acts, default=datetime.isoformat)})
            added += cursor.rowcount
        cursor.execute(statement("delete_old_audit"), {"before": delete_before})
        cursor.execute(statement("newest_audit"))
        newest = cursor.fetchone()
    verify_audit()
    return {"added": added, "newest": newest and newest[0]}


def select_entries(after: int, limit: int) -> list[Entry]:
    """Return the rows that come behind one, the oldest first."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("audit_after"), {"after": after, "limit": limit})
        return [Entry(*row) for row in cursor.fetchall()]


def find_newest_common(rows: Iterable[tuple[int, str]]) -> int | None:
    """Return the newest of some rows, given by number and hash in hex digits, that the table has; None: it has none."""
    entries = [{"audit_id": audit_id, "hash": digits} for audit_id, digits in rows]
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("newest_common_audit"), {"entries": json.dumps(entries)})
        ((newest,),) = cursor.fetchall()
        return None if newest is None else int(newest)


def verify_audit() -> int:
    """Check that each row is as it was written and follows the one before it; return how many there are.

    Raises:
        SurveillanceError: one is not; the message says which.
    """
    count = 0

    def entries(cursor: Any) -> Iterator[Entry]:
        nonlocal count
        for row in cursor:
            count += 1
            yield Entry(*row)

    # A cursor with a name: the server hands out some thousand rows at a time.
    with (
        connections.application_database(connections.LONG_STATEMENT_SECONDS) as database,
        database.cursor("audit") as cursor,
    ):
        cursor.itersize = ROWS_PER_STATEMENT
        cursor.execute(statement("select_audit"))
        broken = find_break(entries(cursor))
    if broken:
        raise SurveillanceError(
            f"row {broken.audit_id} of table audit_log, of {broken.occurred_at:%Y-%m-%d %H:%M} UTC, is not what was "
            "written, or those before it are gone: somebody changed the table; compare it with a backup"
        )
    return count


def _select_airflow_acts(since: datetime) -> Iterator[list[dict[str, Any]]]:
    with connections.metadata_database() as metadata, metadata.cursor() as cursor:
        cursor.execute(statement("select_acts"), {"since": since})
        acts = fetch_rows(cursor)
    for start in range(0, len(acts), ROWS_PER_STATEMENT):
        yield acts[start : start + ROWS_PER_STATEMENT]
