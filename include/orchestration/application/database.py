"""The application's own database in PostgreSQL: its tables, and the statements in ``sql``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from include.orchestration import connections
from include.surveillance.statements import read_statement

SQL = Path(__file__).with_name("sql")
statement = partial(read_statement, SQL)


def create_tables() -> None:
    """Create what is missing in the application's database; safe to repeat."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statement("create_alerts"))
        cursor.execute(statement("create_batches"))


def fetch_rows(cursor: Any) -> list[dict[str, Any]]:
    """Return the cursor's rows, each by the names of its columns."""
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
