"""dbt's graph as Airflow draws it, from a manifest made here, and run once as Airflow runs it."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace

import pytest

from tests.airflow_home import airflow_database as airflow_database

# isort: split
from airflow.sdk.exceptions import AirflowException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from cosmos.operators.watcher import DbtProducerWatcherOperator

from include.orchestration.callbacks import report_task_failure
from include.orchestration.marts import render
from include.orchestration.marts.render import DbtBuild, publish_files, raise_failed_nodes
from include.surveillance.errors import SurveillanceError

PRODUCER = "dbt.dbt_producer_watcher"


@pytest.fixture(scope="module")
def group(dbt, tmp_path_factory):
    """The task group, drawn without a connection."""
    from airflow.sdk import DAG

    manifest = tmp_path_factory.mktemp("manifest") / "manifest.json"
    parsed = dbt("parse")
    assert parsed.success, parsed.exception
    manifest.write_text(json.dumps(parsed.result.to_dict(), default=str))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "MANIFEST", manifest)
        with DAG("drawn", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)):
            yield render.dbt_task_group()


def nodes(group) -> dict[str, set[str]]:
    """dbt node -> the kinds of tasks that show it."""
    kinds: dict[str, set[str]] = {}
    for task in group.iter_tasks():
        name = task.task_id.partition(".")[2]
        # one without tests is no group of its own
        node, _, kind = name.partition(".") if "." in name else name.rpartition("_")
        if kind in ("run", "test"):
            kinds.setdefault(node, set()).add(kind)
    return kinds


def test_each_node_and_its_tests_are_tasks(group):
    """The messages as they are have no tests of their own, only what is made of them."""
    from tests.dbt_project.test_project import MODELS

    untested = {
        "stg_instruments", "stg_metrics", "stg_news", "stg_corporate_actions", "stg_dispositions", "stg_watermarks",
    }  # fmt: skip
    kinds = {name: {"run"} if name in untested else {"run", "test"} for name in MODELS}
    assert nodes(group) == kinds


def test_tasks_follow_the_graph_of_dbt(group):
    tasks = {task.task_id: task for task in group.iter_tasks()}
    assert tasks["dbt.rpt_symbol_day.run"].upstream_task_ids == {
        PRODUCER,
        "dbt.fact_alerts.test",
        "dbt.fact_intraday_metrics.test",
    }
    assert tasks["dbt.dim_instruments.run"].upstream_task_ids >= {"dbt.int_instruments.test"}


def test_every_task_is_tried_twice(group):
    assert {task.retries for task in group.iter_tasks() if task.task_id != "dbt.dbt_producer_watcher_done"} == {1}


@pytest.mark.parametrize("attempt", [1, 2, 7])
def test_dbt_builds_on_every_try(group, monkeypatch, attempt):
    built = []
    monkeypatch.setattr(
        DbtProducerWatcherOperator, "execute", lambda self, context: built.append(context["ti"].try_number)
    )
    ti = RuntimeTaskInstance.model_construct(try_number=attempt)
    producer = group.dag.get_task(PRODUCER)
    assert isinstance(producer, DbtBuild)
    DbtBuild.execute.__wrapped__(producer, {"ti": ti})
    assert built == [1]
    assert ti.try_number == attempt


@pytest.mark.parametrize("deaf", [False, True])
def test_a_dbt_that_hangs_is_ended(group, monkeypatch, deaf):
    monkeypatch.setattr(render, "KILL_SECONDS", 0.5 if deaf else 30)
    producer = group.dag.get_task(PRODUCER)
    script = f"trap '{'' if deaf else 'exit 3'}' INT; echo up; while :; do sleep 0.05; done"
    hears = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where the tests run in the background
    with subprocess.Popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, preexec_fn=hears, start_new_session=True
    ) as dbt:
        assert dbt.stdout.readline() == b"up\n"
        monkeypatch.setattr(producer.subprocess_hook, "sub_process", dbt)
        producer.on_kill()
    assert dbt.returncode == (-signal.SIGKILL if deaf else 3)
    producer.on_kill()  # nothing is left to end


def waiting(group) -> list:
    return [task for task in group.iter_tasks() if task.task_id.endswith(("run", "test"))]


def test_no_task_waits_for_another_node_when_dbt_is_done(group):
    """Nor does one that dbt has not been done with begin, or one be left out because the one before it failed."""
    assert len(waiting(group)) == sum(map(len, nodes(group).values()))
    for task in waiting(group):
        assert PRODUCER in task.upstream_task_ids
        assert task.trigger_rule == ("all_done" if task.upstream_task_ids == {PRODUCER} else "one_done"), task.task_id


@pytest.fixture
def look(group, monkeypatch):
    """What a task makes of the outcome that dbt left of its node, and of how dbt ended."""

    def look(task_id: str, status: str | None, dbt: str, attempt: int = 1):
        task = next(task for task in group.iter_tasks() if task.task_id == task_id)
        values = {"model__market__fact_alerts_status": status and {"status": status, "outlet_uris": []}}
        values["model__market__fact_alerts_tests_status"] = status
        ti = SimpleNamespace(try_number=attempt, xcom_pull=lambda task_ids=None, key=None: values.get(key))
        monkeypatch.setattr(task, "_get_producer_task_status", lambda context: dbt)
        monkeypatch.setattr(task, "_override_rtif", lambda context: None)
        monkeypatch.setattr(task, "build_and_run_cmd", lambda *_, **__: pytest.fail("runs a dbt of its own"))
        return task.poke({"ti": ti})

    return look


@pytest.mark.parametrize(("task_id", "well", "ill"), [("run", "success", "error"), ("test", "pass", "fail")])
@pytest.mark.parametrize("attempt", [1, 2])
def test_a_node_that_fails_is_a_task_that_fails(look, task_id, well, ill, attempt):
    """On every try: one that was lost or cleared finds the outcome that dbt left, and runs nothing."""
    for ended in ("failed", "success"):
        assert look(f"dbt.fact_alerts.{task_id}", well, ended, attempt)
    for status in (ill, None):
        with pytest.raises(AirflowException, match=ill if status else "producer"):
            look(f"dbt.fact_alerts.{task_id}", status, "failed", attempt)


@pytest.mark.parametrize(
    ("ended", "reported"), [("failed", False), ("success", True), ("skipped", True), (RuntimeError("not here"), True)]
)
def test_a_failed_build_is_reported_once(group, monkeypatch, ended, reported):
    """By the task that runs dbt; a task that fails on its own tells so."""
    heard = []
    monkeypatch.setattr(render, "report_task_failure", heard.append)

    def states(dag_id, task_ids, run_ids):
        if isinstance(ended, Exception):
            raise ended
        return {run_id: dict.fromkeys(task_ids, ended) for run_id in run_ids}

    ti = SimpleNamespace(dag_id="drawn", run_id="run", get_task_states=states)
    for task in waiting(group):
        (callback,) = task.on_failure_callback
        callback({"ti": ti, "task": task})
    assert len(heard) == reported * len(waiting(group))
    assert report_task_failure in group.dag.get_task(PRODUCER).on_failure_callback


def test_the_failure_names_the_nodes_that_failed_by_themselves(tmp_path):
    (tmp_path / "target").mkdir()
    raise_failed_nodes(str(tmp_path))  # dbt died before it wrote
    statuses = {"model.a": "success", "test.b": "pass", "model.c": "error", "test.d": "fail", "model.e": "skipped"}
    results = [{"unique_id": name, "status": status} for name, status in statuses.items()]
    (tmp_path / "target" / "run_results.json").write_text(json.dumps({"results": results}))
    with pytest.raises(SurveillanceError, match=r"wrong: model\.c \(error\), test\.d \(fail\)$"):
        raise_failed_nodes(str(tmp_path), context={})
    (tmp_path / "target" / "run_results.json").write_text(json.dumps({"results": results[:2]}))
    raise_failed_nodes(str(tmp_path))


def test_results_are_published_whole_and_only_when_written(tmp_path, monkeypatch):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "run_results.json").write_text("{}")
    publish_files(str(tmp_path), ["run_results.json"])  # no folder is named: nothing to do
    monkeypatch.setenv("DBT_DOCS_DIR", str(tmp_path / "docs"))
    publish_files(str(tmp_path), ["run_results.json", "catalog.json"], context={})
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["run_results.json"]


@pytest.mark.parametrize(("whole", "given"), [(True, "{whole: true}"), (False, "{}")])
def test_a_whole_run_gives_dbt_the_variable(group, whole, given):
    """Another run gives it what it has without: other variables would have it parse the project anew."""
    producer = copy.copy(group.dag.get_task(PRODUCER))
    producer._pre_execute_hook({"task": producer, "params": {"whole": whole}})
    assert producer.vars == given


def test_dbt_is_told_of_the_calendar_as_it_runs(group, monkeypatch):
    """Also of half-days: the day after Thanksgiving closes at 13:00."""
    told = []
    monkeypatch.setattr(DbtProducerWatcherOperator, "execute", lambda self, context: told.append(self.env))
    monkeypatch.setattr(render, "now_ms", lambda: 1_732_910_400_000)  # 2024-11-29 20:00 UTC
    monkeypatch.setenv("MARKET_CALENDAR", "XNYS")
    producer = copy.copy(group.dag.get_task(PRODUCER))
    DbtBuild.execute.__wrapped__(producer, {"ti": RuntimeTaskInstance.model_construct(try_number=1)})
    text = told[0]["MARKET_SESSIONS"]
    sessions = json.loads(text)
    assert len(sessions) == render.CALENDAR_SESSIONS
    assert [(it["date"], (it["close_ms"] - it["open_ms"]) / 60_000) for it in sessions[-2:]] == [
        ("2024-11-27", 390), ("2024-11-29", 210),
    ]  # fmt: skip
    assert len(text) < 65_536
    assert told[0]["DBT_EXCLUDE_RESOURCE_TYPES"] == "unit_test"
