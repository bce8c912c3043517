"""Runs are cleared and paused, in the database that Airflow has in operation."""

import json
import os
import subprocess
import sys
from datetime import timedelta

import airflow
import pytest

from include.local_stack.ports import HOST
from include.orchestration.runtime import deadlines
from tests.dags.conftest import manifest as manifest
from tests.paths import ROOT

PROGRAM = ROOT / "tests" / "orchestration" / "runtime" / "meet_deadlines.py"


def test_airflow_is_one_that_was_read():
    """When this fails: clear a failed run without the plugin. Does it work now? Then delete plugin and module."""
    assert airflow.__version__ in deadlines.PATCHED_AIRFLOW


@pytest.fixture(scope="module")
def came(manifest, postgres_server, tmp_path_factory):
    """What came of clearing a failed and a running run of each DAG, and of letting time pass."""
    port, credentials = postgres_server
    database = f"postgresql+psycopg2://airflow:{credentials['AIRFLOW_DB_PASSWORD']}@{HOST}:{port}/airflow"
    home = {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, str(PROGRAM)],
        env=os.environ | home | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def test_failed_and_running_runs_of_every_dag_are_cleared(came):
    cleared = came["cleared"]
    files = {path.stem for path in (ROOT / "dags").glob("*.py")}
    assert {name.split()[0] for name in cleared} == files
    assert len(cleared) == 2 * len(files)
    failed = {name: error for name, error in cleared.items() if isinstance(error, str)}
    assert failed == {}


def test_a_cleared_run_has_all_its_time_again(came):
    for name, (tasks, seconds, later) in came["cleared"].items():
        assert tasks > 0, name
        assert later, name
        # Ending a run's failure stamps it a moment later than its deadline.
        assert seconds > timedelta(minutes=4).total_seconds(), name
    assert came["cleared"]["backfill_market_data failed"][1] == pytest.approx(
        timedelta(hours=6).total_seconds(), abs=60
    )


def test_a_run_of_a_paused_dag_is_not_late_and_has_its_time_again(came):
    assert came["missed"] == [[False, False], [True, True]]


def test_another_airflow_is_left_alone(monkeypatch, caplog):
    from airflow.models import taskinstance
    from airflow.models.deadline import Deadline

    before = taskinstance._recalculate_dagrun_queued_at_deadlines, Deadline.handle_miss
    monkeypatch.setattr(deadlines, "airflow_version", "3.4.0")
    deadlines.patch_deadlines()
    assert (taskinstance._recalculate_dagrun_queued_at_deadlines, Deadline.handle_miss) == before
    assert "3.4.0" in caplog.text
