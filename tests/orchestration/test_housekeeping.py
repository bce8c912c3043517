"""Old rows and logs go, live waits and recent runs stay."""

import os
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration import housekeeping
from include.surveillance.errors import ConfigurationError, SurveillanceError

BEFORE = datetime(2026, 11, 15, tzinfo=UTC)


def test_triggers_are_never_cleaned():
    assert "trigger" not in housekeeping.TABLES


def test_only_folders_of_old_runs_go(tmp_path):
    for run, age in (("old", 1), ("new", -1), ("old with a new attempt", 1)):
        log = tmp_path / "dag_id=land_raw" / f"run_id={run}" / "task_id=land" / "attempt=1.log"
        log.parent.mkdir(parents=True)
        log.write_text("a line")
        moment = (BEFORE - timedelta(days=age)).timestamp()
        for path in (log, log.parent, log.parent.parent):
            os.utime(path, (moment, moment))
        if "attempt" in run:
            (log.parent / "attempt=2.log").write_text("a line")
    scheduler = tmp_path / "scheduler.log"
    scheduler.write_text("kept")
    assert housekeeping.clean_logs(tmp_path, BEFORE) == 1
    assert {path.name for path in (tmp_path / "dag_id=land_raw").iterdir()} == {
        "run_id=new",
        "run_id=old with a new attempt",
    }
    assert scheduler.exists()


def test_missing_connection_says_what_to_do(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_AIRFLOW_DB", raising=False)
    with pytest.raises(ConfigurationError, match="connection airflow_db is not defined"):
        housekeeping.clean_metadata(BEFORE)


@pytest.fixture
def command(monkeypatch):
    """What would be run, and what it answers."""
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_DB", "postgresql://airflow:{}@db:5432/airflow".format("secret"))
    seen = {"returncode": 0}

    def run(arguments, env, **_):
        seen.update(arguments=arguments, url=env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
        return subprocess.CompletedProcess(arguments, seen["returncode"], "done", "no such table")

    monkeypatch.setattr(subprocess, "run", run)
    return seen


def test_command_gets_the_database_and_the_date(command):
    assert housekeeping.clean_metadata(BEFORE) == list(housekeeping.TABLES)
    assert command["url"].endswith("airflow:secret@db:5432/airflow")
    assert command["url"].startswith("postgresql")
    given = command["arguments"]
    assert given[given.index("--clean-before-timestamp") + 1] == BEFORE.isoformat()
    assert given[given.index("--tables") + 1] == "task_instance,log,xcom,dag_run,asset_event"


def test_failed_command_is_not_hidden(command):
    command["returncode"] = 1
    with pytest.raises(SurveillanceError, match="no such table"):
        housekeeping.clean_metadata(BEFORE)
