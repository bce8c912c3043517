"""Table ``batches``: one row per run of a DAG, with its times, its failed tasks and what it moved."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import get_current_context, task

from include.orchestration import connections
from include.orchestration.application.database import fetch_rows, statement
from include.orchestration.queues import Queue
from include.surveillance.records import REJECTED

LOG = logging.getLogger(__name__)
COUNTS = ("records", "bars", "metrics", "alerts", "late", "rejected", "rows")


def account_for(stage: str, *task_ids: str) -> Any:
    """Make the last task of a DAG: it sums what its tasks ``task_ids`` returned, small dictionaries of counts.

    The task is a teardown: it runs whatever has become of the others, and what becomes of it does not count for the
    run. It takes the fast lane, because the next run of a follower waits for it; a DAG's time-outs are not for there.
    """

    @task(task_id="account", retries=1, queue=Queue.SHORT, execution_timeout=None)
    def account_task() -> dict[str, int]:
        """One row of table batches: what this run did."""
        context = get_current_context()
        pulled = [context["ti"].xcom_pull(task_ids=[task_id]) for task_id in task_ids]
        return store_run(context, stage, sum_counts(counts for returned in pulled for counts in returned))

    return account_task().as_teardown()


def sum_counts(returned: Iterable[Mapping[str, Any] | None]) -> dict[str, int]:
    """Sum each count over what tasks returned; what is no number and what did not come is left out.

    Counts per topic are records; those of topic REJECTED are rejected, too.
    """
    sums: Counter[str] = Counter()
    for counts in returned:
        for name, count in (counts or {}).items():
            if isinstance(count, int):
                sums["rejected" if name == REJECTED else name] += count
                sums["records"] += count if "." in name else 0
    return dict(sums)


def store_run(context: Mapping[str, Any], stage: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Store or replace the row of the run, and say the same in one line of the log; return its counts.

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
        cursor.execute(statement("upsert_batch"), {"row": json.dumps(row, default=str)})
    LOG.info("%s", describe_run(row), extra={"for_operators": True})
    return {name: row[name] for name in ("tasks", "failed", *COUNTS) if row[name] is not None}


def describe_run(row: Mapping[str, Any]) -> str:
    """Say what became of a run: which minute, how many tasks, what failed, what it moved, and how late it was done."""
    ended, closed, started = row["ended_at"], row["interval_end"], row["started_at"]
    about = f"{closed:%Y-%m-%d %H:%M}" if closed else row["run_id"]
    moved = ", ".join(f"{row[name]} {name}" for name in COUNTS if row[name] is not None) or "nothing to count"
    times = [
        f"{(ended - moment).total_seconds():.1f} s after {name}"
        for moment, name in ((closed, "its close"), (started, "its start"))
        if moment
    ]
    return f"{row['stage']} {about}: {row['tasks']} tasks, {row['failed']} failed; {moved}; done {', '.join(times)}"


def select_newest_runs() -> list[dict[str, Any]]:
    """Return the newest run of each stage."""
    with connections.application_reader() as database, database.cursor() as cursor:
        cursor.execute(statement("newest_batches"))
        return fetch_rows(cursor)
