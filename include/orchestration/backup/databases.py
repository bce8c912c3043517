"""Copies the two databases with PostgreSQL's own programs, each as of one moment, while everybody goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from include.orchestration import connections
from include.orchestration.application.database import statement
from include.surveillance.errors import ConfigurationError

# Connection -> the file of its database.
FILES = {connections.METADATA: "airflow.dump", connections.APPLICATION: "surveillance.dump"}
LAST_LINES = 5


def dump(conn_id: str, folder: Path) -> None:
    """Write the database of a connection into its file, in pg_dump's own format.

    Raises:
        ConfigurationError: pg_dump is missing or refused; the message carries its last lines.
    """
    _run(conn_id, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={folder / FILES[conn_id]}")


def restore(conn_id: str, folder: Path) -> None:
    """Restore the database of a connection from its file, wholly or not at all.

    Raises:
        ConfigurationError: pg_restore is missing or refused; the message carries its last lines.
    """
    how = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run(conn_id, "pg_restore", *how, "--dbname=", str(folder / FILES[conn_id]))


def check_empty(conn_id: str) -> None:
    """Do nothing when the database of a connection has no table.

    Raises:
        ConfigurationError: it has some.
    """
    with connections.open_database(conn_id) as opened, opened.cursor() as cursor:
        cursor.execute(statement("count_tables"))
        ((tables,),) = cursor.fetchall()
    if tables:
        raise ConfigurationError(
            f"the database of connection {conn_id} has {tables} tables already; restore into an empty one: nothing "
            "that is there is overwritten"
        )


def _run(conn_id: str, program: str, *arguments: str) -> None:
    if not shutil.which(program):
        raise ConfigurationError(f"{program} is missing; install PostgreSQL's client of the server's version or newer")
    # Not on the command line, which every user can see.
    environment = {**os.environ, **connections.libpq_variables(conn_id)}
    run = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True)
    if run.returncode:
        said = "\n".join(run.stderr.strip().splitlines()[-LAST_LINES:])
        raise ConfigurationError(f"{program} of connection {conn_id} ended with {run.returncode}:\n{said}")
