"""Remove what Airflow keeps for ever: old metadata rows and old log folders."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.surveillance.errors import ConfigurationError, SurveillanceError

LOG = logging.getLogger(__name__)
METADATA = "airflow_db"
# Never table trigger: cleaning it removes the task instances and XComs that were ever deferred, and live waits.
TABLES = ("task_instance", "log", "xcom", "dag_run", "asset_event")


def clean_metadata(before: datetime) -> list[str]:
    """Delete rows of finished work from before this moment; returns the tables.

    Tasks have no access to the metadata database, so the command gets it from connection ``airflow_db``.

    Raises:
        ConfigurationError: that connection is missing.
        SurveillanceError: ``airflow db clean`` failed; the message carries its last lines.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from include.orchestration import connections

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
    """Delete the log folders of runs that were last written before this moment; returns how many."""
    old = [
        run
        for run in base.glob("dag_id=*/run_id=*")
        if max(path.stat().st_mtime for path in [run, *run.rglob("*")]) < before.timestamp()
    ]
    for run in old:
        shutil.rmtree(run)
    return len(old)


def days_ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def log_folder() -> Path:
    from airflow.configuration import conf

    return Path(conf.get("logging", "base_log_folder"))
