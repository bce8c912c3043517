"""Remove what would be kept for ever: Airflow's old rows and logs, reports, rows of the page, landed rows.

DAG maintain_platform lists what grows, and the policy that bounds it. Hooks and the warehouse's packages are imported
by the task that needs them, not by whoever parses the DAG.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.configuration import conf

from include.orchestration import connections
from include.orchestration.application.database import statement
from include.orchestration.timetables import is_in_session
from include.surveillance.errors import ConfigurationError, SurveillanceError
from include.surveillance.settings import Settings
from include.surveillance.timespans import now_ms

LOG = logging.getLogger(__name__)
# Tasks by the minute: nearly all rows and log files. People were notified of those that failed, and table batches
# counts them.
MINUTELY = ("ingest_market_data", "land_raw")
# Never table trigger: cleaning it removes the task instances and XComs that were ever deferred, and live waits.
# A run's deadline goes with the run, its callback does not.
TABLES = ("task_instance", "log", "xcom", "dag_run", "asset_event", "callback", "job", "revoked_token")
# Of a run by the minute everything but itself: the next one goes on from the last that was successful.
TASK_TABLES = ("task_instance", "log", "xcom")
# Smaller tables are not worth a lock. It is taken only when nobody holds the table for long.
LARGE_BYTES, LOCK_SECONDS = 16 * 2**20, 10
RAW_CLASSES = {
    "raw_days": "Bars, metrics and news in RAW",
    "raw_watermark_days": "Watermarks in RAW",
    "raw_reject_days": "Rejects in RAW",
    "raw_profile_days": "Profiles in RAW that no alert cites",
}
"""The settings by which rows of RAW are kept, and what for; all else is kept for ever."""
# Nobody asks again for what he asked for so long ago.
ASKED_AGAIN = timedelta(days=7)
# Far longer than a landing takes between putting a file and loading it.
STAGED_DAYS = 1


def clean_metadata(before: datetime, minutely_before: datetime) -> list[str]:
    """Delete rows of work that began before these times; return the tables.

    ``airflow db clean`` does not ask whether the work has ended: the times must lie before the start of every run
    that still goes on.

    Args:
        before: for every DAG.
        minutely_before: for what the tasks of MINUTELY left.

    Raises:
        ConfigurationError: connection ``airflow_db`` is missing.
        SurveillanceError: ``airflow db clean`` failed; the message carries its last lines.
    """
    _db_clean(before, TABLES)
    _db_clean(minutely_before, TASK_TABLES, "--dag-ids", ",".join(MINUTELY))
    return list(TABLES)


def rewrite_large_tables() -> dict[str, int]:
    """Write large tables of the metadata anew, without the room of their deleted rows; return the bytes saved by each.

    Autovacuum keeps that room for new rows, so that a table stays as large as on its largest day. A table is locked
    while the rows that are left are written, a second or so; one that is in use is left for the next time, and all are
    while the market is open.
    """
    import psycopg
    from psycopg import sql

    saved: dict[str, int] = {}
    settings = Settings.from_env()
    if is_in_session(settings.poll_calendar, settings.market_shift_ms, now_ms()):
        LOG.warning("the market is open: tables stay as they are, the run after its close rewrites them")
        return saved
    with connections.metadata_database() as metadata, metadata.cursor() as cursor:
        # Vacuum wants no transaction.
        metadata.rollback()
        metadata.autocommit = True
        cursor.execute("select set_config('lock_timeout', %s, false)", [f"{round(LOCK_SECONDS * 1_000)}ms"])
        cursor.execute(statement("large_tables"), {"bytes": LARGE_BYTES})
        for name, size in cursor.fetchall():
            try:
                cursor.execute(sql.SQL("vacuum (full, analyze) {}").format(sql.Identifier(name)))
            except psycopg.errors.LockNotAvailable:
                LOG.warning("table %s of %s bytes was in use for %s s and stays as it is", name, size, LOCK_SECONDS)
                continue
            cursor.execute("select pg_total_relation_size(%s::regclass)", [name])
            saved[name] = size - cursor.fetchone()[0]
    return saved


def clean_logs(before: datetime, minutely_before: datetime) -> int:
    """Delete log folders of runs, and of the DAG processor's days, not written to since then; return how many."""
    base = Path(conf.get("logging", "base_log_folder"))
    runs = list(base.glob("dag_id=*/run_id=*"))
    minutely = [folder for folder in runs if folder.parent.name.removeprefix("dag_id=") in MINUTELY]
    others = [*(set(runs) - set(minutely)), *base.glob("dag_processor/????-??-??")]
    return _delete_untouched(minutely, minutely_before) + _delete_untouched(others, before)


def clean_reports(before: datetime) -> int:
    """Delete reports made before this time; return how many."""
    return _delete_untouched(Settings.from_env().reports_folder.glob("*/*"), before)


def clean_application(before: datetime) -> dict[str, int]:
    """Delete alerts and batches that last changed before this time; return how many of each."""
    with connections.application_database(connections.LONG_STATEMENT_SECONDS) as database, database.cursor() as cursor:
        cursor.execute(statement("delete_old_alerts"), {"before": before})
        alerts = cursor.rowcount
        cursor.execute(statement("delete_old_evidence"))
        cursor.execute(statement("delete_old_messages"), {"before": before})
        cursor.execute(statement("delete_old_requests"), {"before": datetime.now(UTC) - ASKED_AGAIN})
        cursor.execute(statement("delete_old_batches"), {"before": before})
        return {"alerts": alerts, "batches": cursor.rowcount}


def clean_raw(before: Mapping[str, datetime]) -> dict[str, int]:
    """Delete rows of RAW that landed before the time of their class; return how many of each table."""
    from include.surveillance.warehouse import retention

    with connections.warehouse() as session:
        return retention.delete_old_rows(session, before)


def clean_stage() -> int:
    """Remove what killed landings left on the landing stage; return how many files."""
    from include.surveillance.warehouse import retention

    with connections.warehouse() as session:
        return retention.remove_staged_files(session, days_ago(STAGED_DAYS))


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _db_clean(before: datetime, tables: Sequence[str], *options: str) -> None:
    """Run ``airflow db clean`` with the metadata database of a connection, because a task has no access to it."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    if not connections.exists(connections.METADATA):
        raise ConfigurationError(
            f"connection {connections.METADATA} is not defined; point it at Airflow's own metadata database so that "
            "old rows can be deleted"
        )
    url = PostgresHook(postgres_conn_id=connections.METADATA).sqlalchemy_url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive", "--error-on-cleanup-failure"]
    command += ["--clean-before-timestamp", before.isoformat(), "--tables", ",".join(tables), *options]
    environment = os.environ | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    LOG.info(done.stdout)
    if done.returncode:
        raise SurveillanceError(f"airflow db clean failed: {done.stderr.strip()[-2000:]}")


def _delete_untouched(folders: Iterable[Path], before: datetime) -> int:
    old = [folder for folder in folders if folder.is_dir() and _newest(folder) < before.timestamp()]
    for folder in old:
        shutil.rmtree(folder)
    return len(old)


def _newest(folder: Path | os.DirEntry[str]) -> float:
    """When the folder or anything in it was last written to, epoch seconds."""
    with os.scandir(folder) as entries:
        inside = [
            _newest(entry) if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_mtime
            for entry in entries
        ]
    return max([folder.stat().st_mtime, *inside])
