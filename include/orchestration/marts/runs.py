"""When the marts are built, and how much of them: from what a run is, never by a template."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator, timezone
from airflow.utils.types import DagRunType

from include.orchestration.triggers import GatherTrigger


class GatherOperator(BaseOperator):
    """Ends ``span`` after what has landed started the run, so that what lands meanwhile is in it.

    A run that somebody has started, or another DAG, does not wait. Since one run is active at a time, it would have to
    wait for one that gathers: so that one ends as soon as another is queued.
    """

    def __init__(self, *, span: timedelta, **options: Any):
        super().__init__(**options)
        self.span = span

    def execute(self, context: Mapping[str, Any]) -> None:
        run = context["dag_run"]
        until = run.run_after + self.span
        if run.run_type == DagRunType.ASSET_TRIGGERED and until > timezone.utcnow():
            self.defer(trigger=GatherTrigger(self.dag_id, until.timestamp()), method_name="end")

    def end(self, context: Mapping[str, Any], event: Any) -> None:
        """End; the time has come, or another run waits."""


def choose_rows(context: Mapping[str, Any]) -> None:
    """Let dbt's task test all rows and heal all facts where its run asks for the whole.

    There are no variables otherwise, as when the project was parsed: for others dbt parses it anew.
    """
    context["task"].vars = "{whole: true}" if context["params"]["whole"] is True else "{}"


def start_whole_build(task_id: str) -> TriggerDagRunOperator:
    """Make a task that starts a run of ``build_marts`` with *whole*."""
    return TriggerDagRunOperator(task_id=task_id, trigger_dag_id="build_marts", conf={"whole": True})
