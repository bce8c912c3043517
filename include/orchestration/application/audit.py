"""Table ``audit_log``: what people did in Airflow, copied from its table ``log`` before that is pruned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from include.orchestration import connections
from include.orchestration.application.database import fetch_rows, statement
from include.surveillance.errors import SurveillanceError

ROWS_PER_STATEMENT = 1_000


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
        for acts in _select_acts(delete_before):
            cursor.execute(statement("insert_audit"), {"acts": json.dumps(acts, default=datetime.isoformat)})
            added += cursor.rowcount
        cursor.execute(statement("delete_old_audit"), {"before": delete_before})
        cursor.execute(statement("newest_audit"))
        newest = cursor.fetchone()
    verify_audit()
    return {"added": added, "newest": newest and newest[0]}


def verify_audit() -> None:
    """Check that each row is as it was written and follows the one before it.

    Raises:
        SurveillanceError: one is not; the message says which.
    """
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("select_broken_audit"))
        broken = cursor.fetchone()
    if broken:
        raise SurveillanceError(
            f"row {broken[0]} of table audit_log, of {broken[1]:%Y-%m-%d %H:%M} UTC, is not what was written, or those "
            "before it are gone: somebody changed the table; compare it with a backup"
        )


def _select_acts(since: datetime) -> Iterator[list[dict[str, Any]]]:
    with connections.metadata_database() as metadata, metadata.cursor() as cursor:
        cursor.execute(statement("select_acts"), {"since": since})
        acts = fetch_rows(cursor)
    for start in range(0, len(acts), ROWS_PER_STATEMENT):
        yield acts[start : start + ROWS_PER_STATEMENT]
