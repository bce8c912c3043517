"""dbt's graph as Airflow draws it, from a manifest made here, and run once as Airflow runs it."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest

from tests.airflow_home import airflow_database as airflow_database


@pytest.fixture(scope="module")
def group(dbt, tmp_path_factory):
    """The task group, drawn without a connection."""
    from airflow.sdk import DAG

    from include.orchestration import dbt_render

    manifest = tmp_path_factory.mktemp("manifest") / "manifest.json"
    parsed = dbt("parse")
    assert parsed.success, parsed.exception
    manifest.write_text(json.dumps(parsed.result.to_dict(), default=str))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt_render, "MANIFEST", manifest)
        with DAG("drawn", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)):
            yield dbt_render.dbt_task_group(group_id="dbt")


def nodes(group) -> dict[str, set[str]]:
    """dbt node -> the kinds of tasks that show it."""
    found: dict[str, set[str]] = {}
    for task in group.iter_tasks():
        _, *node, kind = task.task_id.split(".")
        if node:
            found.setdefault(node[0], set()).add(kind)
    return found


def test_each_node_and_its_tests_are_tasks(group):
    from tests.dbt_project.test_project import MODELS

    kinds = {name: {"snapshot" if name.startswith("snap_") else "run", "test"} for name in MODELS}
    assert nodes(group) == kinds


def test_tasks_follow_the_graph_of_dbt(group):
    tasks = {task.task_id: task for task in group.iter_tasks()}
    assert tasks["dbt.rpt_symbol_day.run"].upstream_task_ids == {
        "dbt.fact_alerts.test",
        "dbt.fact_intraday_metrics.test",
    }
    assert tasks["dbt.dim_instruments.run"].upstream_task_ids >= {"dbt.snap_instruments.test"}


def test_a_failed_task_is_left_to_the_next_run(group):
    assert {task.retries for task in group.iter_tasks() if task.task_id != "dbt.dbt_producer_watcher_done"} == {0}


def test_results_are_published_whole_and_only_when_written(tmp_path, monkeypatch):
    from include.orchestration.dbt_render import publish

    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "run_results.json").write_text("{}")
    publish(str(tmp_path), ["run_results.json"])  # no folder is named: nothing to do
    monkeypatch.setenv("DBT_DOCS_DIR", str(tmp_path / "docs"))
    publish(str(tmp_path), ["run_results.json", "catalog.json"], context={})
    assert os.listdir(tmp_path / "docs") == ["run_results.json"]
