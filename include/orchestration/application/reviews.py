"""Table ``reviews``: where people are with each alert. What nobody has touched has no row, and is open."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec.structs import asdict

from include.orchestration import connections
from include.orchestration.application.audit import Act, record_acts
from include.orchestration.application.database import fetch_rows, statement
from include.surveillance.alerts.kinds import Kind
from include.surveillance.desk.reviews import STATES, Review, State
from include.surveillance.errors import ActRefusedError, ConflictError, UnknownObjectError
from include.surveillance.severities import Severity

KIND = "alert"
NO_FILTER = dict.fromkeys(
    ("symbol", "rule", "tag", "severities", "kind", "source", "states", "owner", "text", "since", "until", "alert_ids")
)
# The last row of a page, behind which the next one begins. It comes back from outside.
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Place = tuple[bool, float, _Moment, Annotated[str, msgspec.Meta(pattern=r"\A[^\x00]*\Z")]]
_NO_PLACE = dict.fromkeys(("last_unexplained", "last_score", "last_bar_at", "last_id"))
_REVIEW = msgspec.structs.fields(Review)


def change_reviews(
    actor: str,
    event: str,
    versions: Mapping[str, int],
    change: Callable[[Review, Severity], Review],
    details: str | None = None,
) -> dict[str, Review]:
    """Change the reviews of alerts, all or none, with a row of the audit log for each; return them as they are then.

    Args:
        versions: by alert id, the version of the review that the actor has seen.
        change: returns what becomes of a review of an alert with this severity; raises ActRefusedError.

    Raises:
        UnknownObjectError: there is no such alert.
        ConflictError: somebody else has changed one of them since.
        ActRefusedError: one of them is not in a state for it.
    """
    with connections.desk_database() as database, database.cursor() as cursor:
        before = _lock(cursor, versions)
        if stale := {it: review for it, (review, _) in before.items() if review.version != versions[it]}:
            first, review = next(iter(stale.items()))
            owned = f" and {review.owner}'s" if review.owner else ""
            raise ConflictError(f"somebody else was faster: alert {first} is {review.state}{owned} now", KIND, stale)
        after = {it: change(review, severity) for it, (review, severity) in before.items()}
        changed = [{"alert_id": alert_id, **asdict(review)} for alert_id, review in after.items()]
        cursor.execute(statement("update_reviews"), {"changed": msgspec.json.encode(changed).decode()})
        record_acts(
            cursor, [Act(actor, event, KIND, it, before[it][0], review, details) for it, review in after.items()]
        )
        return after


def note_on_alerts(actor: str, alert_ids: list[str], text: str) -> None:
    """Write a note on alerts. It changes nothing, so nobody can be faster.

    Raises:
        UnknownObjectError: there is no such alert.
    """
    with connections.desk_database() as database, database.cursor() as cursor:
        _lock(cursor, dict.fromkeys(alert_ids))
        record_acts(cursor, [Act(actor, "note", KIND, alert_id, details=text) for alert_id in sorted(alert_ids)])


def select_queue(filters: Mapping[str, Any], after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Return one page of alerts with their reviews, and what the next page begins after; None: it is the last one.

    Args:
        filters: symbol, rule, tag, severities, kind, source, states, owner, text, since, until, alert_ids, None for
            all; order, priority or newest.
        after: as the page before has given it.

    Raises:
        ActRefusedError: ``after`` is nothing that a page has given.
    """
    place = dict(zip(_NO_PLACE, _decode_place(after), strict=True)) if after else _NO_PLACE
    values = {**filters, **place, **_read_states(filters["states"]), "limit": limit + 1}
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("queue_alerts"), values)
        rows = fetch_rows(cursor)
    return rows[:limit], _encode_place(rows[limit - 1], filters["order"]) if len(rows) > limit else None


def count_states(kind: Kind, since: datetime) -> list[dict[str, Any]]:
    """Count the live alerts since then by state and severity."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("count_states"), {"kind": kind, "since": since})
        return fetch_rows(cursor)


def list_alerts(alert_ids: Sequence[str]) -> list[dict[str, Any]]:
    """List the rows of alerts in the order of their ids as given; one that is no more is left out."""
    found, _ = select_queue({**NO_FILTER, "order": "newest", "alert_ids": list(alert_ids)}, None, len(alert_ids))
    rows = {row["alert_id"]: row for row in found}
    return [rows[alert_id] for alert_id in alert_ids if alert_id in rows]


def select_alert(alert_id: str) -> dict[str, Any] | None:
    """Return what the queue does not say of an alert: record, times, what was told of it; None: there is none."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_alert"), {"alert_id": alert_id})
        return next(iter(fetch_rows(cursor)), None)


def count_endings(alert_id: str, symbol: str, rule: str) -> list[dict[str, Any]]:
    """Count the closed alerts of the same symbol and rule but this one by the reason for closing them."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("count_endings"), {"alert_id": alert_id, "symbol": symbol, "rule": rule})
        return fetch_rows(cursor)


def _lock(cursor: Any, wanted: Mapping[str, object]) -> dict[str, tuple[Review, Severity]]:
    """Keep others from changing the reviews until the transaction ends; return them with their alerts' severities."""
    ids = {"alert_ids": list(wanted)}
    cursor.execute(statement("begin_reviews"), ids)
    cursor.execute(statement("lock_reviews"), ids)
    found = {
        alert_id: (Review(**dict(zip((field.name for field in _REVIEW), values, strict=True))), severity)
        for alert_id, severity, *values in cursor.fetchall()
    }
    if missing := wanted.keys() - found.keys():
        raise UnknownObjectError(f"there is no alert {min(missing)}")
    return found


def _read_states(states: Collection[State] | None) -> dict[str, Any]:
    """Say of states whether they are closed, which an index knows, and name them only where that does not say all."""
    wanted, ended = set[str](states or STATES), {"closed"}
    closed = False if not wanted & ended else True if wanted == ended else None
    whole = wanted in (ended, set[str](STATES) - ended, set[str](STATES))
    return {"closed": closed, "states": None if whole else sorted(wanted), "untouched": "open" in wanted}


def _encode_place(row: Mapping[str, Any], order: str) -> str:
    ranked = (row["tag"] == "unexplained", row["score"]) if order == "priority" else (False, 0.0)
    place = msgspec.json.encode([*ranked, row["bar_at"], row["alert_id"]])
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _decode_place(text: str) -> _Place:
    try:
        place: _Place = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Place)
        return place
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise ActRefusedError(f"{text!r} is no place in the queue: begin with its first page") from None
