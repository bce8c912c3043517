"""Numbered migrations: the steps that bring a database's tables to what this code needs, each a file of SQL.

``NNNN_what.sql`` is applied once, in the order of the numbers, and recorded in a table ``schema_migrations``. A file
that was released is never changed: what is to be otherwise is a new file.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import NamedTuple

from include.surveillance.errors import ConfigurationError

FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(NamedTuple):
    """One step: its number, what it does in a few words, and its statements."""

    version: int
    name: str
    sql: str


@cache
def read_migrations(folder: Path) -> tuple[Migration, ...]:
    """Return the migrations in a folder by their numbers.

    Raises:
        ConfigurationError: a file is not named like one, or two have the same number.
    """
    migrations: dict[int, Migration] = {}
    for file in sorted(folder.glob("*.sql")):
        named = FILE.fullmatch(file.name)
        if not named:
            raise ConfigurationError(f"{file}: a migration is named NNNN_what.sql, e.g. 0007_new_column.sql; rename it")
        version = int(named[1])
        if version in migrations:
            raise ConfigurationError(
                f"{folder}: two migrations have the number {version:04}, {migrations[version].name} and {named[2]}; "
                "give the newer one the next free number"
            )
        migrations[version] = Migration(version, named[2].replace("_", " "), file.read_text())
    return tuple(migrations.values())


def select_missing(migrations: Collection[Migration], applied: Collection[int], where: str) -> list[Migration]:
    """Return the migrations that are to be applied, in their order.

    Args:
        applied: the numbers of those that the database has recorded.
        where: which database, for the message.

    Raises:
        ConfigurationError: the database has a migration that this code does not know and that is newer than all of its
            own: a newer version of the platform wrote it.
    """
    newest = max((migration.version for migration in migrations), default=0)
    if (stored := max(applied, default=0)) > newest:
        raise ConfigurationError(
            f"{where} has schema version {stored:04}, this code knows {newest:04} and older: a newer version of the "
            "platform was here; install that version or a newer one, or restore the database from before the upgrade"
        )
    return [migration for migration in migrations if migration.version not in applied]


def describe_missing(missing: Collection[Migration]) -> str:
    """Name migrations, for a message: their numbers and what they do."""
    return ", ".join(f"{migration.version:04} ({migration.name})" for migration in missing)
