"""Old rows, logs, reports and alerts go, live waits and recent runs stay."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.local_stack.ports import HOST
from include.orchestration import connections, housekeeping, notifications
from include.surveillance.errors import ConfigurationError, SurveillanceError

BEFORE = datetime(2026, 11, 15, tzinfo=UTC)


def test_triggers_are_never_cleaned():
    assert "trigger" not in housekeeping.TABLES


def write(path: Path, days: float) -> None:
    """A file and its folders, last written so many days before BEFORE."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a line")
    moment = (BEFORE - timedelta(days=days)).timestamp()
    for place in (path, *path.parents[:3]):
        os.utime(place, (moment, moment))


def test_only_folders_of_old_runs_and_days_go(tmp_path):
    base = tmp_path / "logs"
    for run, days in (("old", 1), ("new", -1), ("old with a new attempt", 1)):
        write(base / "dag_id=land_raw" / f"run_id={run}" / "task_id=land" / "attempt=1.log", days)
    (base / "dag_id=land_raw" / "run_id=old with a new attempt" / "task_id=land" / "attempt=2.log").write_text("a line")
    for day, days in (("2026-11-13", 1), ("2026-11-16", -1)):
        write(base / "dag_processor" / day / "dags-folder" / "land_raw.py.log", days)
    (base / "dag_processor" / "latest").symlink_to(base / "dag_processor" / "2026-11-16")
    (base / "scheduler.log").write_text("kept")

    assert housekeeping.clean_logs(base, BEFORE) == 2

    runs = {path.name for path in (base / "dag_id=land_raw").iterdir()}
    assert runs == {"run_id=new", "run_id=old with a new attempt"}
    assert {path.name for path in (base / "dag_processor").iterdir()} == {"2026-11-16", "latest"}
    assert (base / "scheduler.log").exists()


def test_old_reports_go(tmp_path, monkeypatch):
    monkeypatch.setenv("REPORTS_FOLDER", str(tmp_path))
    for run, days in (("old", 1), ("new", -1)):
        write(tmp_path / "calibrate_rules" / run / "calibration.md", days)
    assert housekeeping.clean_reports(BEFORE) == 1
    assert [path.name for path in (tmp_path / "calibrate_rules").iterdir()] == ["new"]


def test_alerts_go_some_time_after_their_last_message(postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    notifications.create_tables()
    row = """
        insert into alerts (
            alert_id, rule, symbol, timespan, bar_at, severity, score, direction, value, threshold, session_phase,
            session_date, data_age_ms, source, explanation, event_ids, first_seen_at, last_seen_at
        ) values (%s, 'r', 's', 'minute', %s, 'low', 1, 'up', 1, 1, 'regular', 'd', 1, 'live', 'e', '{}', %s, %s)
    """
    long_ago = BEFORE - timedelta(days=9)
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute("truncate alerts")
        cursor.execute(row, ("silent since", long_ago, long_ago, BEFORE - timedelta(seconds=1)))
        cursor.execute(row, ("heard of since", long_ago, long_ago, BEFORE))
    assert housekeeping.clean_alerts(BEFORE) == 1
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute("select alert_id from alerts")
        assert cursor.fetchall() == [("heard of since",)]


def test_raw_rows_may_stay_for_ever():
    assert housekeeping.clean_raw(0) == {}


@pytest.fixture
def metadata(postgres_server, monkeypatch):
    """Airflow's own tables in a real PostgreSQL: a connection's begin, and the tables by name."""
    from airflow.models.base import Base
    from airflow.utils.db import import_all_models

    import_all_models()
    port, credentials = postgres_server
    url = f"postgresql://airflow:{credentials['AIRFLOW_DB_PASSWORD']}@{HOST}:{port}/airflow"
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_DB", url)
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    yield engine.begin, Base.metadata.tables
    engine.dispose()


def test_old_runs_leave_the_database_and_what_waits_stays(metadata):
    begin, tables = metadata
    with begin() as database:

        def insert(table, **values):
            return database.execute(tables[table].insert().values(values))

        created = insert("trigger", classpath="c", kwargs="k", created_date=BEFORE - timedelta(days=1))
        for run, days, kind in (
            ("old", 2, "manual"),
            ("newest of its schedule", 1, "scheduled"),
            ("live", -1, "manual"),
        ):
            at, waits_for = BEFORE - timedelta(days=days), created.inserted_primary_key[0] if run == "live" else None
            insert("dag_run", dag_id="d", run_id=run, run_type=kind, run_after=at, start_date=at, state="success")
            key = {"dag_id": "d", "run_id": run, "task_id": "t", "start_date": at}
            insert("task_instance", **key, state="deferred", pool="p", pool_slots=1, trigger_id=waits_for)
            insert("log", dttm=at, event=run)

    assert housekeeping.clean_metadata(BEFORE) == list(housekeeping.TABLES)

    with begin() as database:
        runs, tasks, logs = (
            set(database.scalars(sa.select(tables[table].c[column])))
            for table, column in (("dag_run", "run_id"), ("task_instance", "run_id"), ("log", "event"))
        )
        assert database.scalar(sa.select(sa.func.count()).select_from(tables["trigger"])) == 1
    assert runs == {"newest of its schedule", "live"}
    assert tasks == {"live"}
    assert logs == {"live", "cli_cleanup_tables"}  # the command tells of itself


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
    assert "secret" not in " ".join(command["arguments"]), "everybody on the machine can read a command line"
    assert command["url"].endswith("airflow:secret@db:5432/airflow")
    assert command["url"].startswith("postgresql")
    given = command["arguments"]
    assert given[given.index("--clean-before-timestamp") + 1] == BEFORE.isoformat()
    assert given[given.index("--tables") + 1].split(",") == list(housekeeping.TABLES)


def test_failed_command_is_not_hidden(command):
    command["returncode"] = 1
    with pytest.raises(SurveillanceError, match="no such table"):
        housekeeping.clean_metadata(BEFORE)
