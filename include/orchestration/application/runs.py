"""One row per run of a DAG in table ``batches``: when it ran, how many of its tasks failed, what it moved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import get_current_context, task

from include.orchestration import connections
from include.orchestration.application import statements
from include.orchestration.dag_defaults import Queue

COUNTS = ("records", "bars", "metrics", "alerts", "late", "rejected", "rows")
# What tasks return under another name; counts per topic are records, too.
ALIASES = {"polygon.rejected": "rejected", "recorded": "alerts"}


def account_for(stage: str, *task_ids: str, **task_arguments: Any) -> Any:
    """The last task of a DAG: sums what its tasks ``task_ids`` returned, small dictionaries of counts.

    It runs whatever has become of the others, and what becomes of it does not count for the run: a teardown. In the
    fast lane, because the next run of a follower waits for it.
    """

    @task(task_id="account", retries=1, queue=Queue.SHORT, **task_arguments)
    def account_task() -> dict[str, int]:
        """One row of table batches: what this run did."""
        context = get_current_context()
        pulled = [context["ti"].xcom_pull(task_ids=[task_id]) for task_id in task_ids]
        return account(context, stage, total(counts for found in pulled for counts in found))

    return account_task().as_teardown()


def total(found: Iterable[Mapping[str, Any] | None]) -> dict[str, int]:
    """The sums of each count over what tasks returned; what is no number and what did not come is left out."""
    sums: Counter[str] = Counter()
    for counts in found:
        for name, count in (counts or {}).items():
            if isinstance(count, int):
                sums[ALIASES.get(name, name)] += count
                sums["records"] += count if "." in name else 0
    return dict(sums)


def account(context: Mapping[str, Any], stage: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Store or replace the row of the run; returns what it counted.

    Args:
        context: Airflow's, of a task of the run that is itself not counted.
        stage: poll, detect, notify, land, model or backfill.
        counts: by name, those of COUNTS; others are ignored, missing ones are stored as null.
    """
    run, ti = context["dag_run"], context["ti"]
    states = ti.get_task_states(run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
    others = [state for name, state in states.items() if name != ti.task_id]
    row = {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "stage": stage,
        "interval_end": context.get("data_interval_end"),
        "started_at": run.start_date,
        "ended_at": datetime.now(UTC),
        "tasks": len(others),
        "failed": sum(state in ("failed", "upstream_failed") for state in others),
        **{name: counts.get(name) for name in COUNTS},
    }
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statements.statement("upsert_batch"), row)
    return {name: row[name] for name in ("tasks", "failed", *COUNTS) if row[name] is not None}


def newest() -> list[dict[str, Any]]:
    """Of each stage the newest run."""
    with connections.application_database() as database, database.cursor() as cursor:
        cursor.execute(statements.statement("newest_batches"))
        return statements.dicts(cursor)
