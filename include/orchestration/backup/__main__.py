"""``python -m include.orchestration.backup COMMAND``: a copy of everything in a folder, and back.

The order of the parts: what is copied later refers only to what is in the copy. Airflow's database comes first, for it
knows what has been polled; where notification goes on before the application's database, which has those alerts; where
landing goes on before its rows; then where detection goes on, and the topics that all of it refers to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from include.orchestration import connections
from include.orchestration.application import database
from include.orchestration.application.restores import record_restore
from include.orchestration.backup import databases
from include.orchestration.backup.manifest import (
    Manifest,
    check_versions,
    digest_key,
    fernet_keys,
    list_files,
    read_manifest,
)
from include.orchestration.notifier import GROUP as NOTIFIER
from include.surveillance import broker
from include.surveillance.errors import ConfigurationError, SurveillanceError
from include.surveillance.live.copies import Stored, copy_log, prepare_log, read_places, restore_log
from include.surveillance.warehouse import copies as raw
from include.surveillance.warehouse import schema

BEGUN = "begun.json"
LOG, RAW = "kafka", "raw"
T = TypeVar("T")

app = typer.Typer(help="Copy the platform and restore it.", no_args_is_help=True, pretty_exceptions_enable=False)
Folder = Annotated[Path, typer.Argument(help="The copy's folder.")]
Dumped = Annotated[bool, typer.Option(help="The databases are copied, or restored, by somebody else.")]
Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"])]


class Begun(msgspec.Struct, frozen=True):
    """What a copy begins with: when, and where notification goes on."""

    at: datetime
    places: list[Stored]


@app.command()
def make(folder: Folder) -> None:
    """Copy everything into a new folder, while the platform runs or stands still."""
    begin(folder)
    for conn_id in databases.FILES:
        _tell(f"connection {conn_id}", partial(databases.dump, conn_id, folder))
    finish(folder)


@app.command()
def begin(folder: Folder) -> None:
    """Begin a copy of which somebody else dumps the databases: `begin`, the dumps, `finish`."""
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; name a new folder for each copy")
    folder.mkdir(parents=True, exist_ok=True)
    kafka, at = connections.kafka(), datetime.now(UTC)
    alerts = [(broker.ALERTS, partition) for partition in broker.partitions_of(kafka, broker.ALERTS)]
    begun = Begun(at, read_places(kafka, NOTIFIER, alerts))
    (folder / BEGUN).write_bytes(msgspec.json.encode(begun))


@app.command()
def finish(folder: Folder) -> None:
    """Copy the rest, when the databases have been dumped, and write the manifest."""
    begun = msgspec.json.decode((folder / BEGUN).read_bytes(), type=Begun)
    _check_dumped(folder)
    kafka, applied, rows, rows_applied = connections.kafka(), database.list_applied_migrations(), None, None
    with connections.warehouse() as warehouse:
        if raw.is_embedded(warehouse):
            rows_applied = schema.list_applied_migrations(warehouse)
            rows = _tell("schema RAW", lambda: raw.copy_raw(warehouse, folder / RAW))
    log = _tell("Kafka", lambda: copy_log(kafka, folder / LOG, begun.places))
    (folder / BEGUN).unlink()
    manifest = Manifest(
        begun_at=begun.at,
        ended_at=datetime.now(UTC),
        fernet_key=digest_key(fernet_keys()[0]),
        application=applied,
        raw=rows_applied,
        log=log,
        warehouse=rows,
        files=list_files(folder),
    )
    manifest.write(folder)
    messages = sum(sum(counts) for counts in log.messages.values())
    held = f"{sum(rows.rows.values()):,} rows" if rows else "no rows: Snowflake keeps them itself"
    sys.stdout.write(f"{folder}: {messages:,} messages, {held}, {manifest.size / 1e6:,.1f} MB\n")


@app.command()
def check(folder: Folder) -> Manifest:
    """Compare a copy's files with its checksums, and its versions and keys with this platform's."""
    manifest = _tell("checksums", lambda: read_manifest(folder))
    check_versions(manifest)
    return manifest


@app.command()
def restore(folder: Folder, told_until: Until = None, dumped: Dumped = False) -> None:
    """Restore a copy into an empty platform, of which only the services run. Nobody is told twice.

    Alerts of bars that closed until TOLD_UNTIL (default: now) are recorded and taken as told.
    """
    manifest = check(folder)
    kafka = connections.kafka()
    if not dumped:
        for conn_id in databases.FILES:
            databases.check_empty(conn_id)
    with connections.warehouse() as warehouse:
        if manifest.warehouse:
            raw.check_empty(warehouse)
        prepare_log(kafka, manifest.log)
        if not dumped:
            for conn_id in databases.FILES:
                _tell(f"connection {conn_id}", partial(databases.restore, conn_id, folder))
        database.migrate_database()
        numbers = _tell("Kafka", lambda: restore_log(kafka, folder / LOG, manifest.log))
        if copied := manifest.warehouse:
            _tell("schema RAW", lambda: raw.restore_raw(warehouse, folder / RAW, copied))
        raw.move_places(warehouse, {position: it.move for position, it in numbers.items()})
    until = (told_until or datetime.now(UTC)).replace(tzinfo=UTC)
    with connections.application_database() as opened, opened.cursor() as cursor:
        record_restore(cursor, manifest.begun_at, until)
    sys.stdout.write(
        f"restored as of {manifest.begun_at:%Y-%m-%d %H:%M:%S} UTC. Alerts of bars that closed by "
        f"{until:%Y-%m-%d %H:%M} UTC are recorded, and nobody is told of them.\n"
    )


def _check_dumped(folder: Path) -> None:
    if missing := [name for name in databases.FILES.values() if not (folder / name).exists()]:
        raise ConfigurationError(f"{folder} lacks {', '.join(missing)}; dump the databases before, with pg_dump -Fc")


def _tell(what: str, do: Callable[[], T]) -> T:
    began = datetime.now(UTC)
    done = do()
    sys.stdout.write(f"{what}: {(datetime.now(UTC) - began).total_seconds():.1f} s\n")
    return done


def main() -> int:
    try:
        app()
    except SurveillanceError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
