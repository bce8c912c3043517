"""When the marts are built: what lands within a span of what started a run is in it; who starts one does not wait."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, timezone
from airflow.sdk.exceptions import TaskDeferred

from include.orchestration.marts.runs import GatherOperator

SPAN = timedelta(minutes=15)


def gather(kind, after):
    run = SimpleNamespace(run_type=kind, run_after=timezone.utcnow() - after)
    with DAG("build_marts", schedule=None):
        GatherOperator(task_id="gather", span=SPAN).execute({"dag_run": run})
    return run


def test_what_has_landed_waits_for_more():
    with pytest.raises(TaskDeferred) as waits:
        gather("asset_triggered", timedelta(minutes=5))
    trigger = waits.value.trigger
    left = trigger.until - timezone.utcnow().timestamp()
    assert 540 < left <= 600
    assert trigger.dag_id == "build_marts"
    assert waits.value.method_name == "end"


@pytest.mark.parametrize(
    ("kind", "after"), [("asset_triggered", SPAN), ("manual", timedelta()), ("operator_triggered", timedelta())]
)
def test_a_late_run_and_one_that_somebody_started_wait_for_nothing(kind, after):
    gather(kind, after)
