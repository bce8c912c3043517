"""The chain of table ``audit_log``: each row has the hash of the one before it, so that a changed row is found.

PostgreSQL hashes a row when it is added (function ``hash_audit``). This is the same hash by other means: whoever
changes a row and the function with it is found out too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Entry(NamedTuple):
    """One row: an act of Airflow's table ``log``, or one at the desk, whose last four fields are of the desk.

    Attributes:
        log_id: in Airflow's table; None at the desk.
        details: text as it was given.
        object_kind: what was changed: alert, silence, case, report, or a request that was refused.
        before: how it was, as JSON; None where there was nothing.
        after: how it is.
    """

    audit_id: int
    occurred_at: datetime
    exported_at: datetime
    event: str
    previous_hash: bytes
    hash: bytes
    log_id: int | None = None
    actor: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    details: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    before: str | None = None
    after: str | None = None


def hash_entry(entry: Entry) -> bytes:
    """Hash a row together with the hash of the one before it: SHA-256 of that and of a JSON array."""
    fields = [
        *(str(entry.audit_id), _write(entry.log_id), _write_epoch(entry.occurred_at), _write(entry.event)),
        *(_write(entry.actor), _write(entry.dag_id), _write(entry.run_id), _write(entry.task_id)),
        *(_write(entry.map_index), _write(entry.details), _write_epoch(entry.exported_at)),
    ]
    # Rows of before the desk have the hash that they had.
    if entry.object_kind is not None:
        fields += map(_write, (entry.object_kind, entry.object_id, entry.before, entry.after))
    return hashlib.sha256(entry.previous_hash + f"[{', '.join(fields)}]".encode()).digest()


def find_break(entries: Iterable[Entry]) -> Entry | None:
    """Return the first row that is not what was written or does not follow the one before it; None: all are right.

    Args:
        entries: by ``audit_id``. What was before the first of them has been deleted for its age.
    """
    before: Entry | None = None
    for entry in entries:
        follows = before is None or (entry.audit_id, entry.previous_hash) == (before.audit_id + 1, before.hash)
        if not follows or entry.hash != hash_entry(entry):
            return entry
        before = entry
    return None


def _write(value: str | int | None) -> str:
    """Write a value as PostgreSQL writes it in ``jsonb``."""
    return json.dumps(value, ensure_ascii=False)


def _write_epoch(moment: datetime) -> str:
    """Write seconds since 1970 with all six digits, as PostgreSQL does."""
    micros = (moment - EPOCH) // timedelta(microseconds=1)
    whole, rest = divmod(abs(micros), 1_000_000)
    return f"{'-' if micros < 0 else ''}{whole}.{rest:06}"
