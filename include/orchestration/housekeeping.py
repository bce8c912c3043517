"""Remove what would be kept for ever: Airflow's old rows and logs, reports, alerts of the page, landed rows.

What grows and by which policy it is bounded is listed in DAG maintain_platform.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.orchestration import connections, notifications
from include.surveillance.errors import ConfigurationError, SurveillanceError

LOG = logging.getLogger(__name__)
METADATA = "airflow_db"
# Never table trigger: cleaning it removes the task instances and XComs that were ever deferred, and live waits.
# A run's deadline goes with the run, its callback does not.
TABLES = ("task_instance", "log", "xcom", "dag_run", "asset_event", "callback", "job", "revoked_token")
# Far longer than a landing takes between putting a file and loading it.
STAGED_DAYS = 1


def clean_metadata(before: datetime) -> list[str]:
    """Delete rows of work that began before this moment; returns the tables.

    ``airflow db clean`` does not ask whether the work has ended: the moment must lie before the start of every run that
    still goes on. Tasks have no access to the metadata database, so the command gets it from connection ``airflow_db``.

    Raises:
        ConfigurationError: that connection is missing.
        SurveillanceError: ``airflow db clean`` failed; the message carries its last lines.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    if not connections.exists(METADATA):
        raise ConfigurationError(
            f"connection {METADATA} is not defined; point it at Airflow's own metadata database so that old rows "
            "can be deleted"
        )
    url = PostgresHook(postgres_conn_id=METADATA).sqlalchemy_url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive"]
    command += ["--clean-before-timestamp", before.isoformat(), "--tables", ",".join(TABLES)]
    environment = os.environ | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    LOG.info(done.stdout)
    if done.returncode:
        raise SurveillanceError(f"airflow db clean failed: {done.stderr.strip()[-2000:]}")
    return list(TABLES)


def clean_logs(base: Path, before: datetime) -> int:
    """Delete log folders of runs, and of the DAG processor's days, not written to since then; returns how many."""
    return _delete_untouched([*base.glob("dag_id=*/run_id=*"), *base.glob("dag_processor/????-??-??")], before)


def clean_reports(before: datetime) -> int:
    """Delete reports made before this moment; returns how many."""
    from include.surveillance.settings import Settings

    return _delete_untouched(Settings.from_env().reports_folder.glob("*/*"), before)


def clean_alerts(before: datetime) -> int:
    """Delete alerts of the application database whose last message came before this moment; returns how many."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(notifications.statement("delete_old_alerts"), {"before": before})
        return cursor.rowcount


def clean_raw(days: float) -> dict[str, int]:
    """Delete rows of RAW that landed so many days ago, 0 for none; returns how many of each table."""
    from include.surveillance import warehouse

    if not days:
        return {}
    with connections.warehouse() as session:
        return warehouse.delete_old_rows(session, days_ago(days))


def clean_stage() -> int:
    """Remove what killed landings left on the landing stage; returns how many files."""
    from include.surveillance import warehouse

    with connections.warehouse() as session:
        return warehouse.remove_staged_files(session, days_ago(STAGED_DAYS))


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def log_folder() -> Path:
    from airflow.configuration import conf

    return Path(conf.get("logging", "base_log_folder"))


def _delete_untouched(folders: Iterable[Path], before: datetime) -> int:
    old = [
        folder
        for folder in folders
        if folder.is_dir() and max(path.stat().st_mtime for path in [folder, *folder.rglob("*")]) < before.timestamp()
    ]
    for folder in old:
        shutil.rmtree(folder)
    return len(old)
