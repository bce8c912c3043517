"""Old rows, logs, reports and alerts go, live waits and recent runs stay."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.orchestration import connections, maintenance
from include.orchestration.application.database import migrate_database
from include.surveillance.errors import ConfigurationError, SurveillanceError
from include.surveillance.settings import Settings
from include.surveillance.warehouse.retention import CLASSES

BEFORE = datetime(2026, 11, 15, tzinfo=UTC)


def test_triggers_are_never_cleaned():
    assert "trigger" not in maintenance.TABLES


def test_each_class_of_rows_has_a_setting():
    assert maintenance.RAW_CLASSES.keys() == CLASSES.keys() <= Settings.__dataclass_fields__.keys()


def write(path: Path, days: float) -> None:
    """A file and its folders, last written so many days before BEFORE."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a line")
    moment = (BEFORE - timedelta(days=days)).timestamp()
    for touched in (path, *path.parents[:4]):
        os.utime(touched, (moment, moment))


def test_only_folders_of_old_runs_and_days_go(tmp_path, monkeypatch):
    base = tmp_path / "logs"
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(base))
    for run, days in (("old", 1), ("new", -1), ("old with a new attempt", 1)):
        write(base / "dag_id=build_marts" / f"run_id={run}" / "task_id=land" / "attempt=1.log", days)
    (base / "dag_id=build_marts" / "run_id=old with a new attempt" / "task_id=land" / "attempt=2.log").write_text(
        "a line"
    )
    for day, days in (("2026-11-13", 1), ("2026-11-16", -1)):
        write(base / "dag_processor" / day / "dags-folder" / "land_raw.py.log", days)
    (base / "dag_processor" / "latest").symlink_to(base / "dag_processor" / "2026-11-16")
    (base / "scheduler.log").write_text("kept")

    for dag in ("ingest_market_data", "land_raw", "detect_anomalies"):
        write(base / f"dag_id={dag}" / "run_id=of today" / "task_id=t" / "map_index=0" / "attempt=1.log", -0.5)
        os.utime(base / f"dag_id={dag}" / "run_id=of today", (0, 0))

    assert maintenance.clean_logs(BEFORE, BEFORE + timedelta(days=0.75)) == 4

    runs = {path.name for path in (base / "dag_id=build_marts").iterdir()}
    assert runs == {"run_id=new", "run_id=old with a new attempt"}
    left = {path.parent.name for path in base.glob("dag_id=*/run_id=of today")}
    assert left == {"dag_id=detect_anomalies"}, "what runs every minute goes sooner"
    assert {path.name for path in (base / "dag_processor").iterdir()} == {"2026-11-16", "latest"}
    assert (base / "scheduler.log").exists()


def test_old_reports_go(tmp_path, monkeypatch):
    monkeypatch.setenv("REPORTS_FOLDER", str(tmp_path))
    for run, days in (("old", 1), ("new", -1)):
        write(tmp_path / "calibrate_rules" / run / "calibration.md", days)
    assert maintenance.clean_reports(BEFORE) == 1
    assert [path.name for path in (tmp_path / "calibrate_rules").iterdir()] == ["new"]


def test_alerts_and_batches_go_some_time_after_they_last_changed(postgres, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    migrate_database()
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
        cursor.execute("truncate batches")
        batch = "insert into batches values ('d', %s, 'detect', null, %s, %s, 4, 0)"
        cursor.execute(batch, ("old", long_ago, long_ago))
        cursor.execute(batch, ("new", long_ago, BEFORE))
    assert maintenance.clean_application(BEFORE) == {"alerts": 1, "batches": 1}
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute("select alert_id from alerts union all select run_id from batches")
        assert cursor.fetchall() == [("heard of since",), ("new",)]


# Twenty minutes of 500 polls each, and a run of another DAG in each.
POLLS = """
insert into dag_run (dag_id, run_id, run_type, run_after, start_date, state, clear_number, span_status)
select dag_id, 'r' || minute, 'manual', at, at, 'success', 0, 'ended'
from generate_series(1, 20) minute, (values ('ingest_market_data'), ('detect_anomalies')) d (dag_id),
    lateral (select %(at)s::timestamptz + minute * interval '1 min' as at) t;
insert into task_instance (id, dag_id, run_id, task_id, map_index, start_date, state, try_number, max_tries, pool,
    pool_slots, hostname, span_status)
select gen_random_uuid(), dag_id, run_id, 't', i, start_date, 'success', 1, 2, 'p', 1, repeat('h', 400), 'ended'
from dag_run, generate_series(1, 500) i where run_id like 'r%%' and (dag_id = 'ingest_market_data' or i = 1);
"""


def test_old_rows_leave_the_database_and_what_waits_stays(metadata, monkeypatch):
    begin, tables = metadata

    def size():
        with begin() as database:
            return database.exec_driver_sql("select pg_database_size('airflow')").scalar()

    empty = size()
    with begin() as database:
        database.exec_driver_sql(POLLS, {"at": BEFORE})
    full = size()
    assert full > 1.4 * empty
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
            insert("log", dttm=at, event=run, dag_id="d")

    assert maintenance.clean_metadata(BEFORE, BEFORE + timedelta(hours=2)) == list(maintenance.TABLES)

    with begin() as database:
        runs, tasks, logs = (
            set(database.scalars(sa.select(tables[table].c[column]).where(tables[table].c.dag_id.in_(["d", None]))))
            for table, column in (("dag_run", "run_id"), ("task_instance", "run_id"), ("log", "event"))
        )
        left = {
            # Other tests leave runs in the same database.
            table: dict(
                database.execute(
                    sa.select(tables[table].c.dag_id, sa.func.count())
                    .where(sa.or_(tables[table].c.dag_id == "d", tables[table].c.run_id.regexp_match(r"^r\d+$")))
                    .group_by("dag_id")
                ).all()
            )
            for table in ("task_instance", "dag_run")
        }
        kept = sa.select(sa.func.count()).select_from(tables["trigger"]).where(tables["trigger"].c.classpath == "c")
        assert database.scalar(kept) == 1
    assert runs == {"newest of its schedule", "live"}
    assert tasks == {"live"}
    assert logs == {"live"}
    assert left["task_instance"] == {"d": 1, "detect_anomalies": 20}, "tasks of every minute go sooner"
    assert left["dag_run"] == {"d": 2, "detect_anomalies": 20, "ingest_market_data": 20}

    monkeypatch.setattr(maintenance, "LARGE_BYTES", 2**20)
    monkeypatch.setattr(maintenance, "is_in_session", lambda *_: True)
    assert maintenance.rewrite_large_tables() == {}, "nothing is locked while the market is open"
    assert size() > 0.9 * full
    monkeypatch.setattr(maintenance, "is_in_session", lambda *_: False)
    assert maintenance.rewrite_large_tables()["task_instance"] > 2**20
    assert size() < 1.05 * empty


def test_a_table_in_use_stays_as_it_is(metadata, monkeypatch):
    begin, _ = metadata
    monkeypatch.setattr(maintenance, "LARGE_BYTES", 0)
    monkeypatch.setattr(maintenance, "LOCK_SECONDS", 0.1)
    monkeypatch.setattr(maintenance, "is_in_session", lambda *_: False)
    with begin() as database:
        database.exec_driver_sql("lock table xcom in access share mode")  # as any reader does
        given = maintenance.rewrite_large_tables()
    assert "task_instance" in given
    assert "xcom" not in given


def test_missing_connection_says_what_to_do(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_AIRFLOW_DB", raising=False)
    with pytest.raises(ConfigurationError, match="connection airflow_db is not defined"):
        maintenance.clean_metadata(BEFORE, BEFORE)


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
    assert maintenance.clean_metadata(BEFORE, BEFORE) == list(maintenance.TABLES)
    assert "secret" not in " ".join(command["arguments"]), "everybody on the machine can read a command line"
    assert command["url"].endswith("airflow:secret@db:5432/airflow")
    assert command["url"].startswith("postgresql")
    given = command["arguments"]
    assert given[given.index("--clean-before-timestamp") + 1] == BEFORE.isoformat()
    assert given[given.index("--tables") + 1].split(",") == list(maintenance.TASK_TABLES)
    assert given[given.index("--dag-ids") + 1].split(",") == list(maintenance.MINUTELY)
    assert "--error-on-cleanup-failure" in given, "of itself the command succeeds when a table could not be cleaned"


def test_failed_command_is_not_hidden(command):
    command["returncode"] = 1
    with pytest.raises(SurveillanceError, match="no such table"):
        maintenance.clean_metadata(BEFORE, BEFORE)
