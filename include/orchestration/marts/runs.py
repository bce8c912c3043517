"""When the marts are built: tasks that wait for what lands meanwhile, and that start a build of everything."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.date_time import DateTimeSensorAsync


def wait_for_more(task_id: str, span: timedelta) -> DateTimeSensorAsync:
    """Make a task that ends so long after what has landed started its run; in a run started by hand it ends at once."""
    minutes = span.total_seconds() / 60
    waits = f"{minutes} if dag_run.run_type == 'asset_triggered' else 0"
    until = f"(dag_run.run_after + macros.timedelta(minutes={waits})).isoformat()"
    return DateTimeSensorAsync(task_id=task_id, target_time=f"{{{{ {until} }}}}")


def start_whole_build(task_id: str) -> TriggerDagRunOperator:
    """Make a task that starts a run of ``build_marts`` with *whole*."""
    return TriggerDagRunOperator(task_id=task_id, trigger_dag_id="build_marts", conf={"whole": True})
