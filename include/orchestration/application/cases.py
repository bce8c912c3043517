"""Tables ``cases`` and ``attachments``: alerts that are handed over together, and the files that belong to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import asdict

from include.orchestration import connections
from include.orchestration.application.audit import Act, record_acts
from include.orchestration.application.database import fetch_rows, statement
from include.surveillance.desk.cases import Attachment, Case, attach
from include.surveillance.errors import ConflictError, UnknownObjectError

KIND = "case"
_FIELDS = ("title", "narrative", "alerts", "status", "opened_by", "submitted_by", "signed_by", "version")


def store_case(case: Case) -> int:
    """Store a case that was opened; return its number.

    Raises:
        UnknownObjectError: there is no such alert.
    """
    with connections.desk_database() as database, database.cursor() as cursor:
        _check_alerts(cursor, case.alerts)
        cursor.execute(statement("insert_case"), asdict(case) | {"alerts": list(case.alerts)})
        ((number,),) = cursor.fetchall()
        record_acts(cursor, [Act(case.opened_by, "open", KIND, str(number), None, case)])
        return int(number)


def change_case(
    actor: str,
    event: str,
    number: int,
    version: int,
    change: Callable[[Case], Case],
    details: str | None = None,
) -> Case:
    """Change a case, with a row of the audit log; return it as it is then.

    Args:
        version: that of the case that the actor has seen.

    Raises:
        UnknownObjectError: there is no such case, or no such alert.
        ConflictError: somebody else has changed it since.
        ActRefusedError: it is not in a state for it.
    """
    with connections.desk_database() as database, database.cursor() as cursor:
        before = _lock(cursor, number, version)
        after = change(before)
        _check_alerts(cursor, set(after.alerts) - set(before.alerts))
        _update(cursor, number, after)
        record_acts(cursor, [Act(actor, event, KIND, str(number), before, after, details)])
        return after


def attach_file(actor: str, number: int, version: int, attachment: Attachment, content: bytes) -> int:
    """Attach a file that was checked to a draft; return the attachment's number.

    Raises:
        UnknownObjectError: there is no such case.
        ConflictError: somebody else has changed it since.
        ActRefusedError: it is no draft.
    """
    with connections.desk_database() as database, database.cursor() as cursor:
        _update(cursor, number, attach(_lock(cursor, number, version)))
        values = asdict(attachment) | {"case_id": number, "content": content, "added_by": actor}
        cursor.execute(statement("insert_attachment"), values)
        ((attached,),) = cursor.fetchall()
        record_acts(cursor, [Act(actor, "attach", KIND, str(number), None, attachment)])
        return int(attached)


def select_cases(filters: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """Return cases, the newest first.

    Args:
        filters: status, alert_id (one of its alerts), case_id, None for all; before, the case_id that they come before.
    """
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_cases"), {**filters, "limit": limit})
        return fetch_rows(cursor)


def list_attachments(number: int) -> list[dict[str, Any]]:
    """List the attachments of a case without their contents, the oldest first."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("list_attachments"), {"case_id": number})
        return fetch_rows(cursor)


def read_attachment(number: int, attachment: int) -> tuple[str, str, bytes]:
    """Return name, type and content of an attachment.

    Raises:
        UnknownObjectError: the case has no such attachment.
    """
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("read_attachment"), {"case_id": number, "attachment_id": attachment})
        rows = cursor.fetchall()
    if not rows:
        raise UnknownObjectError(f"case {number} has no attachment {attachment}")
    name, media_type, content = rows[0]
    return name, media_type, bytes(content)


def _lock(cursor: Any, number: int, version: int) -> Case:
    cursor.execute(statement("lock_case"), {"case_id": number})
    rows = cursor.fetchall()
    if not rows:
        raise UnknownObjectError(f"there is no case {number}")
    case = msgspec.convert(dict(zip(_FIELDS, rows[0], strict=True)), Case)
    if case.version != version:
        raise ConflictError(f"somebody else was faster: case {number} was changed meanwhile", KIND, {str(number): case})
    return case


def _update(cursor: Any, number: int, case: Case) -> None:
    cursor.execute(statement("update_case"), asdict(case) | {"alerts": list(case.alerts), "case_id": number})


def _check_alerts(cursor: Any, alert_ids: Iterable[str]) -> None:
    wanted = set(alert_ids)
    cursor.execute(statement("known_alerts"), {"alert_ids": list(wanted)})
    if missing := wanted - {alert_id for (alert_id,) in cursor.fetchall()}:
        raise UnknownObjectError(f"there is no alert {min(missing)}")
