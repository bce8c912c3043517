"""What reports are made of, read from the application's database; and table ``report_signatures``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from include.orchestration import connections
from include.orchestration.application.audit import Act, record_acts
from include.orchestration.application.database import fetch_rows, statement
from include.orchestration.application.silences import read_silence
from include.surveillance.desk.daily_report import ActCount, Poll
from include.surveillance.desk.facts import Facts
from include.surveillance.desk.silences import Silence
from include.surveillance.errors import ActRefusedError

KIND = "report"
MOST_FACTS = 100_000


def select_facts(first: str, last: str, since: datetime, until: datetime) -> list[Facts]:
    """Return the facts of all live alerts of the sessions from ``first`` to ``last``, both included.

    Args:
        since: with ``until`` the time of these sessions: alerts of no session are of it, and say none.

    Raises:
        ActRefusedError: there are more than MOST_FACTS.
    """
    values = {"first": first, "last": last, "since": since, "until": until, "limit": MOST_FACTS + 1}
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_facts"), values)
        facts = [Facts(*row) for row in cursor.fetchall()]
    if len(facts) > MOST_FACTS:
        raise ActRefusedError(f"more than {MOST_FACTS:,} alerts from {first} to {last}: choose fewer sessions")
    return facts


def list_versions_before(session: str) -> list[str]:
    """List the versions of the parameters on the alerts of the newest session before that has any."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("session_before"), {"session": session})
        return sorted(version for (version,) in cursor.fetchall())


def list_overlapping(since: datetime, until: datetime) -> list[Silence]:
    """List the silences that were in force at some time in [since, until)."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_overlapping_silences"), {"since": since, "until": until})
        return [read_silence(row) for row in cursor.fetchall()]


def count_acts(since: datetime, until: datetime) -> list[ActCount]:
    """Count what people did at the desk in [since, until)."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("count_acts"), {"since": since, "until": until})
        return [ActCount(*row) for row in cursor.fetchall()]


def count_airflow_acts(since: datetime, until: datetime) -> dict[str, Any]:
    """Count what people did in Airflow in [since, until): ``acts`` by event and DAG, ``copied_at`` until when."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("count_airflow_acts"), {"since": since, "until": until})
        return fetch_rows(cursor)[0]


def select_polls(since: datetime, until: datetime) -> list[Poll]:
    """Return the runs of the polls of minutes that end in (since, until]."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_polls"), {"since": since, "until": until})
        return [Poll(*row) for row in cursor.fetchall()]


def count_sessions(sessions: Sequence[str]) -> list[dict[str, Any]]:
    """Count the live alerts of each session, newest first: ``alerts``, ``waiting``, and its newest signature."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("count_sessions"), {"sessions": list(sessions)})
        return fetch_rows(cursor)


def list_signatures(session: str) -> list[dict[str, Any]]:
    """List what was signed of a session, the newest first: ``sha256``, ``signed_by``, ``signed_at``, ``content``."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("select_signatures"), {"session": session})
        return fetch_rows(cursor)


def sign_report(actor: str, session: str, sha256: str, content: str) -> datetime:
    """Sign the report of a session as it is, with a row of the audit log; return when.

    Raises:
        ActRefusedError: this very report was signed before.
    """
    values = {"session": session, "sha256": sha256, "content": content, "actor": actor}
    with connections.desk_database() as database, database.cursor() as cursor:
        cursor.execute(statement("insert_signature"), values)
        rows = cursor.fetchall()
        if not rows:
            raise ActRefusedError(f"the report of {session} is signed as it is")
        record_acts(cursor, [Act(actor, "sign", KIND, session, None, {"session": session, "sha256": sha256})])
        signed_at: datetime = rows[0][0]
        return signed_at
