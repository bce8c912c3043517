"""Every DAG file: it loads without any setting, holds what an operator needs, and stays a table of contents."""

import ast
import copy
import os
import subprocess
import sys
from contextlib import nullcontext
from datetime import timedelta

import airflow  # noqa: F401 - cosmos imported first leaves Airflow half imported
import pytest
from cosmos.operators.watcher import BaseConsumerSensor

from include.orchestration.callbacks import report_run_failure, report_task_failure
from include.orchestration.dag_defaults import LANE, OWNER, Pool, Queue, RetryWhatMayHelp, Tag
from include.orchestration.marts.render import report_unless_dbt_failed
from include.orchestration.runtime.fast_lane import list_unfit
from tests.paths import ROOT

FILES = sorted((ROOT / "dags").glob("*.py"))
DAG_IDS = {
    "backfill_market_data",
    "backtest_rules",
    "bootstrap_platform",
    "build_baselines",
    "build_marts",
    "calibrate_rules",
    "check_quality",
    "compare_parameters",
    "detect_anomalies",
    "gather_landings",
    "ingest_market_data",
    "ingest_reference",
    "judge_history",
    "land_raw",
    "maintain_platform",
    "notify_alerts",
    "record_desk",
    "serve_features",
    "repoll_session",
    "prepare_symbols",
}
STRUCTURE = {
    "backfill_market_data": {
        "plan": {"poll", "poll_news"},
        "poll_news": {"poll"},
        "poll": {"account"},
        "account": set(),
    },
    "backtest_rules": {"backtest": set()},
    "bootstrap_platform": {
        "topics": set(),
        "session": {"raw_tables"},
        "raw_tables": set(),
        "application_tables": set(),
        "polygon": set(),
    },
    "build_baselines": {"effective": {"build"}, "partitions": {"build"}, "build": set()},
    "calibrate_rules": {"calibrate": set()},
    "compare_parameters": {"compare": set()},
    "check_quality": {
        task: set()
        for task in ("feeds", "detection", "components", "landing", "notification", "rejects", "missing_minutes")
    },
    "detect_anomalies": {"partitions": {"detect"}, "detect": {"account"}, "account": set()},
    "gather_landings": {"gather": set()},
    "ingest_market_data": {
        "plan": {"poll"},
        "poll": {"check_polls"},
        "check_polls": {"poll_alone"},
        "poll_alone": {"account"},
        "poll_news": {"account"},
        "account": set(),
    },
    "ingest_reference": {"instruments": {"splits", "dividends"}, "splits": set(), "dividends": set()},
    "judge_history": {"partitions": {"judge"}, "judge": set()},
    "land_raw": {"behind": {"land"}, "land": {"account"}, "account": set()},
    "maintain_platform": {
        **dict.fromkeys(
            ("logs", "reports", "application_rows", "topics", "raw_rows", "staged_files", "marts"), frozenset()
        ),
        "audit": {"metadata"},
        "metadata": {"logs"},
    },
    "notify_alerts": {"notify": {"account"}, "send_log": {"account"}, "account": set()},
    "record_desk": {"keep_evidence": set(), "publish_acts": set()},
    "serve_features": {"serve": set()},
    "repoll_session": {"repoll": set(), "repoll_news": set()},
    "prepare_symbols": {
        "check_symbols": {"tell_wrong_words", "bring_history", "notify_from_now_on"},
        "tell_wrong_words": set(),
        "bring_history": {"build_profiles"},
        "build_profiles": {"notify_from_now_on"},
        "notify_from_now_on": set(),
    },
}
SCHEDULES = {
    "backfill_market_data": "None",
    "backtest_rules": "None",
    "bootstrap_platform": "None",
    "build_baselines": "0 7 * * *",
    "build_marts": "Asset",
    "calibrate_rules": "None",
    "compare_parameters": "None",
    "check_quality": "XNYS, all hours, every 300 s",
    "detect_anomalies": "@continuous",
    "gather_landings": "Asset",
    "ingest_market_data": "XNYS, all hours, every 60 s",
    "ingest_reference": "0 8 * * *",
    "judge_history": "Asset",
    "land_raw": "Asset or XNYS, all hours + 3600 s, every 60 s",
    "maintain_platform": "XNYS close + 18000 s",
    "notify_alerts": "@continuous",
    "record_desk": "XNYS, all hours + 3600 s, every 900 s",
    "serve_features": "None",
    "repoll_session": "XNYS close + 16200 s",
    "prepare_symbols": "Asset",
}


@pytest.fixture(scope="session")
def bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(dag_folder=str(ROOT / "dags"))


@pytest.fixture(params=sorted(DAG_IDS))
def dag(request, bag):
    return bag.dags[request.param]


def test_exactly_these_dags_and_no_import_error(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == DAG_IDS
    assert {path.stem for path in FILES} == DAG_IDS


def test_tags_are_a_stage_and_a_tier(dag):
    assert dag.tags <= set(Tag)
    assert len(dag.tags & {Tag.TIER_1, Tag.TIER_2}) == 1
    assert len(dag.tags) == 2


def test_the_fast_lane_has_only_tasks_that_it_can_end(dag):
    """When this fails: drop the time-out, defer the wait, or take another queue."""
    assert list_unfit([dag]) == []
    assert {task.queue for task in dag.tasks if task.task_id == "account"} <= {Queue.SHORT}


def test_runbook_is_shown(dag):
    assert dag.doc_md.strip().startswith(f"# {dag.dag_id}")
    assert "**When it fails**" in dag.doc_md


def test_failure_and_lateness_are_told(dag):
    assert dag.on_failure_callback == report_run_failure
    (deadline,) = dag.deadline
    assert deadline.callback.path == "include.orchestration.callbacks.report_deadline"
    assert deadline.interval.total_seconds() > 0
    for task in dag.tasks:
        callbacks = task.on_failure_callback
        tells = {report_task_failure, report_unless_dbt_failed} & set(
            callbacks if isinstance(callbacks, list) else [callbacks]
        )
        assert len(tells) == 1, task.task_id
        assert task.task_id.startswith("dbt.") or report_task_failure in tells


def test_owner_retries_and_pool(dag):
    assert dag.catchup is False
    assert dag.max_active_runs <= 3
    for task in dag.tasks:
        assert task.owner == OWNER
        assert isinstance(task.retry_policy, RetryWhatMayHelp), task.task_id
        assert isinstance(task.retries, int), task.task_id
        assert task.pool in {*Pool, "default_pool"}


def test_hung_work_ends(dag):
    """Where a process can be ended. In the fast lane tasks are threads, whose calls have time-outs of their own."""
    for task in dag.tasks:
        if task.queue in LANE:
            assert task.execution_timeout is None, task.task_id
        else:
            assert timedelta(0) < task.execution_timeout <= timedelta(days=1), task.task_id


QUEUES = {
    "ingest_market_data": "poll",
    "detect_anomalies": "detect",
    "notify_alerts": "detect",
    "land_raw": "warehouse",
    "build_marts": "warehouse",
    "serve_features": "warehouse",
}


def test_each_kind_of_work_has_workers_of_its_own(dag):
    lane = {"account", *(task.task_id for task in dag.tasks if isinstance(task, BaseConsumerSensor))}
    assert {task.queue for task in dag.tasks if task.task_id in lane} <= {"short"}
    assert {task.queue for task in dag.tasks if task.task_id not in lane} == {QUEUES.get(dag.dag_id, "default")}


def test_a_poll_costs_no_call_that_it_can_do_without(bag):
    for task_id in ("poll", "poll_alone"):
        assert tuple(bag.dags["ingest_market_data"].get_task(task_id).template_fields) == ()


@pytest.mark.parametrize("dag_id", sorted(SCHEDULES))
def test_schedule(bag, dag_id):
    from airflow.serialization.encoders import coerce_to_core_timetable

    assert coerce_to_core_timetable(bag.dags[dag_id].timetable).summary == SCHEDULES[dag_id]


def test_what_brings_past_bars_at_any_hour_has_them_landed_and_judged(bag):
    from include.orchestration.assets import PAST_BARS

    bringing = {dag_id for dag_id, dag in bag.dags.items() for task in dag.tasks if PAST_BARS in task.outlets}
    assert bringing == {"backfill_market_data", "prepare_symbols", "repoll_session"}
    for dag_id in ("land_raw", "judge_history"):
        assert list(bag.dags[dag_id].timetable.asset_condition.objects) == [PAST_BARS]


@pytest.mark.parametrize("dag_id", sorted(STRUCTURE))
def test_structure(bag, dag_id):
    dag = bag.dags[dag_id]
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == STRUCTURE[dag_id]


ACCOUNTED = {"detect_anomalies", "notify_alerts", "land_raw", "build_marts", "backfill_market_data"}


def test_runs_are_accounted_for_by_a_task_that_does_not_count_for_them(bag):
    last = {dag_id: dag.get_task("account") for dag_id, dag in bag.dags.items() if "account" in dag.task_ids}
    assert set(last) >= ACCOUNTED
    for task in last.values():
        assert task.is_teardown
        assert not task.on_failure_fail_dagrun
        assert not task.downstream_task_ids


def test_marts_are_a_task_per_dbt_node_and_the_documentation_last(bag):
    dag = bag.dags["build_marts"]
    tasks = {task.task_id for task in dag.tasks}
    for model in ("stg_bars", "stg_alerts", "dim_instruments", "fact_intraday_metrics", "fact_alerts"):
        assert any(model in task for task in tasks), model
    assert dag.get_task("docs").downstream_task_ids == {"account"}
    assert dag.get_task("docs").upstream_task_ids


def test_marts_are_built_of_what_a_span_of_landings_has_gathered(bag):
    from include.orchestration.assets import LANDINGS, RAW_TABLES

    gathering, dag = bag.dags["gather_landings"], bag.dags["build_marts"]
    assert list(gathering.timetable.asset_condition.objects) == [RAW_TABLES]
    assert list(dag.timetable.asset_condition.objects) == [LANDINGS]
    assert gathering.max_active_runs == dag.max_active_runs == 1
    gather = gathering.get_task("gather")
    assert (gather.delta, gather.deferrable, gather.outlets) == (timedelta(minutes=15), True, [LANDINGS])


def test_features_are_served_when_the_marts_are_built_where_they_are_wanted(monkeypatch):
    from airflow.dag_processing.dagbag import DagBag

    from include.orchestration.assets import MARTS

    monkeypatch.setenv("FEATURES", "1")
    dag = DagBag(dag_folder=str(ROOT / "dags" / "serve_features.py")).dags["serve_features"]
    assert list(dag.timetable.asset_condition.objects) == [MARTS]


@pytest.mark.parametrize(
    ("dag_id", "task_id", "template"),
    [
        ("ingest_market_data", "poll", "name"),
        ("ingest_market_data", "poll_alone", "name"),
        ("backfill_market_data", "poll", "name"),
        ("detect_anomalies", "detect", "partition"),
        ("build_baselines", "build", "partition"),
        ("land_raw", "land", "topic"),
    ],
)
def test_mapped_tasks_have_a_name_in_the_grid(bag, dag_id, task_id, template):
    assert template in bag.dags[dag_id].get_task(task_id).map_index_template


@pytest.mark.parametrize(
    ("dag_id", "given", "accepted"),
    [
        ("backtest_rules", {}, True),
        ("backtest_rules", {"a": "base: {rules: literal}", "matches": 10}, True),
        ("backtest_rules", {"matches": 0}, False),
        ("backtest_rules", {"b": "{{ var.value.secret }}"}, False),
        ("build_baselines", {}, True),
        ("build_baselines", {"effective": "now"}, True),
        ("build_baselines", {"effective": "yesterday"}, False),
        ("calibrate_rules", {"from": "2026-01-05", "to": "2026-01-09", "budget": 0.1}, True),
        ("calibrate_rules", {"from": "2026-01-05", "to": "2026-01-09", "budget": 0}, False),
        ("calibrate_rules", {"from": "2026-01-05", "to": "2026-01-09", "rules": "other"}, False),
        ("calibrate_rules", {}, True),
        ("compare_parameters", {"from": "2026-01-05", "to": "2026-01-09", "b": "base:\n  cooldown_bars: 5\n"}, True),
        ("compare_parameters", {"from": "2026-01-05", "to": "2026-01-09", "symbols": "AAPL"}, False),
        ("maintain_platform", {"keep_days": 8, "minutely_days": 2, "alert_days": 401, "raw_days": 36_500}, True),
        ("maintain_platform", {"keep_days": 6.9}, False),
        ("maintain_platform", {"minutely_days": 0.2}, False),
        ("maintain_platform", {"report_days": 89}, False),
        ("maintain_platform", {"alert_days": 399}, False),
        ("maintain_platform", {"raw_days": 0}, False),
    ],
)
def test_forms_take_what_can_be_used(bag, dag_id, given, accepted):
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(bag.dags[dag_id].params)
    with nullcontext() if accepted else pytest.raises(ParamValidationError):
        params.update(given)
        params.validate()


@pytest.mark.parametrize("dag_id", ["backtest_rules", "calibrate_rules", "compare_parameters"])
def test_reports_are_linked_from_their_task(bag, dag_id):
    (task,) = bag.dags[dag_id].tasks
    assert [link.name for link in task.operator_extra_links] == ["Report"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_a_table_of_contents(path):
    assert len(path.read_text().splitlines()) <= 120
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
    allowed = {"airflow.sdk", "datetime", "include.surveillance.settings"}
    assert {name for name in imported - allowed if not f"{name}.".startswith("include.orchestration.")} == set()
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not calls & {"open", "Variable.get", "Connection.get", "os.getenv", "datetime.now"}


PARSE = """
import socket, sqlite3, sys
def refuse(*arguments): raise AssertionError(f"a connection to {arguments[1:]} while parsing")
socket.socket.connect = refuse
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
unwanted = {"numba", "pandas", "snowflake.connector", "confluent_kafka", "exchange_calendars", "polygon"}
heavy = unwanted & set(sys.modules)
print(sorted(bag.dags), bag.import_errors, sorted(heavy), sep="\\n")
"""


def test_parsing_needs_no_environment_no_network_and_no_heavy_import(tmp_path):
    needed = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    needed |= {
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "DO_NOT_TRACK": "1",
    }
    # Drawing dbt's graph takes Cosmos, which imports most of Airflow; all others must stay light.
    light = [path for path in FILES if path.stem != "build_marts"]
    folder = tmp_path / "dags"
    folder.mkdir()
    for path in light:
        (folder / path.name).write_text(path.read_text())
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(folder)], env=needed, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ids, errors, heavy = done.stdout.strip().splitlines()[-3:]
    assert ast.literal_eval(ids) == sorted(path.stem for path in light)
    assert errors == "{}"
    assert heavy == "[]"
