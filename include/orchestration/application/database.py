"""The application's own database in PostgreSQL: its tables, and the statements in ``sql``."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

from include.orchestration import connections
from include.surveillance.errors import ConfigurationError
from include.surveillance.migrations import Migration, describe_missing, read_migrations, select_missing
from include.surveillance.statements import read_statement

LOG = logging.getLogger(__name__)
SQL = Path(__file__).with_name("sql")
statement = partial(read_statement, SQL)
MIGRATIONS = read_migrations(SQL / "migrations")
WHERE = "the application's database"
WAIT_SECONDS = 60


def migrate_database() -> list[str]:
    """Apply the migrations that the application's database lacks; return their names.

    Each is a transaction of its own. Of several at once one applies it, and the others wait and find it done.

    Raises:
        ConfigurationError: a newer version of the platform has been here.
    """
    applied = []
    for _ in MIGRATIONS:
        with (
            connections.application_database(connections.LONG_STATEMENT_SECONDS) as database,
            database.cursor() as cursor,
        ):
            cursor.execute(statement("lock_migrations"))
            cursor.execute(statement("create_schema_migrations"))
            missing = select_missing(MIGRATIONS, _select_applied(cursor), WHERE)
            if not missing:
                break
            migration = missing[0]
            cursor.execute(migration.sql)
            cursor.execute(statement("record_migration"), {"version": migration.version, "name": migration.name})
            applied.append(describe_missing([migration]))
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("grant_desk"))
    return applied


def list_missing_migrations() -> list[Migration]:
    """List the migrations that this code needs and the application's database lacks.

    A newer version's migrations do not disturb: it adds, so that the version before goes on until it is replaced.
    """
    applied = list_applied_migrations()
    return [migration for migration in MIGRATIONS if migration.version not in applied]


def list_applied_migrations() -> list[int]:
    """List the numbers of the migrations that the application's database has recorded."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("has_schema_migrations"))
        ((exists,),) = cursor.fetchall()
        return sorted(_select_applied(cursor)) if exists else []


def await_migrations() -> None:
    """Wait until the application's database has the tables that this code needs; say once a minute why it waits.

    A connection that only Airflow's tasks are told of cannot be asked here; then nothing is waited for.
    """
    while reason := _reason_to_wait():
        LOG.warning("this worker waits: %s", reason)
        time.sleep(WAIT_SECONDS)


def _reason_to_wait() -> str | None:
    import psycopg  # heavy, and no DAG file needs it

    try:
        missing = list_missing_migrations()
    except ConfigurationError:
        LOG.warning("connection %s is not in the environment: schema not checked", connections.APPLICATION)
        return None
    except psycopg.Error as error:
        why = " ".join(str(error).split())
        return f"{WHERE} does not say its schema version ({why}); start it, or correct {connections.APPLICATION}"
    if not missing:
        return None
    return (
        f"{WHERE} lacks {describe_missing(missing)}, which this code needs; "
        "run `python -m include.orchestration.migrate` of this version, as the platform's start does, or DAG "
        "bootstrap_platform"
    )


def _select_applied(cursor: Any) -> set[int]:
    cursor.execute(statement("select_migrations"))
    return {version for (version,) in cursor.fetchall()}


def fetch_rows(cursor: Any) -> list[dict[str, Any]]:
    """Return the cursor's rows, each by the names of its columns."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
