"""Table ``requests``: acts that were asked for with a key, so that whoever asks again does nothing twice."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, NamedTuple

from include.orchestration import connections
from include.orchestration.application.database import statement


class Asked(NamedTuple):
    """An act that somebody asks for with a key of his own; ``digest`` is of all that he asks for."""

    actor: str
    key: str
    digest: bytes


class Answered(NamedTuple):
    """What was asked for before, and the answer's status and body: None where the answer was lost."""

    digest: bytes
    status: int | None
    answer: str | None


ASKED: ContextVar[Asked | None] = ContextVar("asked", default=None)
"""What is being asked for, wherever it is done."""


def find_answer(actor: str, key: str) -> Answered | None:
    """Return what somebody asked for with this key before; None: nothing."""
    with connections.desk_database() as database, database.cursor() as cursor:
        cursor.execute(statement("find_request"), {"actor": actor, "key": key})
        return next((Answered(bytes(digest), *answer) for digest, *answer in cursor.fetchall()), None)


def record_asked(cursor: Any) -> None:
    """Store, with the act, that it was asked for; whoever asks for it at the same time waits, and fails."""
    if asked := ASKED.get():
        cursor.execute(statement("insert_request"), asked._asdict())


def record_request(asked: Asked) -> bool:
    """Store that something is asked for; say whether it is for the first time."""
    from psycopg.errors import UniqueViolation  # heavy, and no DAG file needs it

    try:
        with connections.desk_database() as database, database.cursor() as cursor:
            cursor.execute(statement("insert_request"), asked._asdict())
    except UniqueViolation:
        return False
    return True


def keep_answer(asked: Asked, status: int, answer: str) -> None:
    """Keep the answer for whoever asks again."""
    values = {"actor": asked.actor, "key": asked.key, "status": status, "answer": answer}
    with connections.desk_database() as database, database.cursor() as cursor:
        cursor.execute(statement("keep_answer"), values)
