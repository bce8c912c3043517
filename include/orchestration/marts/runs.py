"""When the marts are built, and how much of them: from what a run is, never by a template."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor

from include.orchestration.assets import LANDINGS


def gather(task_id: str, span: timedelta) -> TimeDeltaSensor:
    """Make a task that ends ``span`` after the landing that started its run, and hands over all that landed by then."""
    return TimeDeltaSensor(task_id=task_id, delta=span, deferrable=True, outlets=[LANDINGS])


def choose_rows(context: Mapping[str, Any]) -> None:
    """Let dbt's task test all rows and heal all facts where its run asks for the whole.

    There are no variables otherwise, as when the project was parsed: for others dbt parses it anew.
    """
    context["task"].vars = "{whole: true}" if context["params"]["whole"] is True else "{}"


def start_whole_build(task_id: str) -> TriggerDagRunOperator:
    """Make a task that starts a run of ``build_marts`` with *whole*."""
    return TriggerDagRunOperator(task_id=task_id, trigger_dag_id="build_marts", conf={"whole": True})
