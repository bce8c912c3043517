"""One row per run, whatever became of its tasks."""

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from include.orchestration import connections
from include.orchestration.application import runs
from include.orchestration.application.database import migrate_database

START, END = datetime(2026, 11, 23, 14, 31, tzinfo=UTC), datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
STATES = {"detect_0": "success", "detect_1": "failed", "detect_2": "upstream_failed", "account": "running"}


@pytest.fixture
def context(postgres, postgres_reader, monkeypatch):
    """What Airflow gives the last task of a run."""
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", postgres)
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_READER", postgres_reader)
    migrate_database()
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute("truncate batches")
    run = SimpleNamespace(dag_id="detect_anomalies", run_id="r1", start_date=START)
    ti = SimpleNamespace(task_id="account", get_task_states=lambda dag_id, run_ids: {run_ids[0]: STATES})
    return {"dag_run": run, "ti": ti, "data_interval_end": END}


def test_counts_of_all_tasks_are_summed_under_the_names_of_the_table():
    returned = [
        {"records": 3, "bars": 2, "alerts": 1},
        {"records": 4},
        None,
        {"polygon.bars.raw": 5, "polygon.rejected": 1, "note": "no number"},
        {"alerts": 2, "notified": 1},
    ]
    counts = runs.sum_counts(returned)
    assert {name: counts[name] for name in ("records", "bars", "alerts", "rejected")} == {
        "records": 13,
        "bars": 2,
        "alerts": 3,
        "rejected": 1,
    }


def test_a_run_is_one_row_however_often_it_is_accounted_for(context):
    assert runs.store_run(context, "detect", {"records": 7}) == {"tasks": 3, "failed": 2, "records": 7}
    runs.store_run(context, "detect", {"records": 8, "alerts": 1})
    (row,) = runs.select_newest_runs()
    assert (row["dag_id"], row["run_id"], row["stage"], row["started_at"]) == (
        "detect_anomalies",
        "r1",
        "detect",
        START,
    )
    assert (row["tasks"], row["failed"], row["records"], row["alerts"], row["rows"]) == (3, 2, 8, 1, None)
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute("select interval_end from batches")
        assert cursor.fetchall() == [(END,)]


def test_the_page_gets_the_newest_run_of_each_stage(context):
    for run, stage in (("r1", "detect"), ("r2", "detect"), ("r3", "land")):
        context["dag_run"].run_id = run
        runs.store_run(context, stage, {})
    assert {row["stage"]: row["run_id"] for row in runs.select_newest_runs()} == {"detect": "r2", "land": "r3"}


def test_a_run_is_one_line_of_the_log(context, caplog):
    with caplog.at_level(logging.INFO):
        runs.store_run(context, "poll", {"records": 7, "rejected": 0})
    (said,) = [record.getMessage() for record in caplog.records if record.name == runs.LOG.name]
    assert said.startswith(f"poll {END:%Y-%m-%d %H:%M}: 3 tasks, 2 failed; 7 records, 0 rejected; done ")


def test_a_run_says_how_late_it_was_done():
    row = dict.fromkeys(runs.COUNTS) | {"stage": "poll", "run_id": "r1", "tasks": 24, "failed": 0, "bars": 120}
    times = {"interval_end": END, "started_at": END - timedelta(seconds=18), "ended_at": END + timedelta(seconds=6.25)}
    late = (
        f"poll {END:%Y-%m-%d %H:%M}: 24 tasks, 0 failed; 120 bars; done 6.2 s after its close, 24.2 s after its start"
    )
    assert runs.describe_run(row | times) == late
    assert "detect r1: 24 tasks" in runs.describe_run(row | times | {"interval_end": None, "stage": "detect"})
