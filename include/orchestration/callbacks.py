"""What happens when a task fails or a run is late: people are notified once, in one sentence with a link.

The functions are importable by name because deadline callbacks run in the triggerer and run callbacks in the
DAG processor, neither of which has the DAG file's namespace.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from include.orchestration.operations import tell_operators

ENDED = ("success", "failed")
NUMBER = re.compile(r"[0-9]+")


def report_task_failure(context: Mapping[str, Any]) -> None:
    """Notify of a failed task and its error. Mapped tasks stay silent: their run reports all of them at once."""
    task = context["ti"]
    if _is_mapped(task):
        return
    error = context.get("exception") or "see its log"
    what = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else error
    _notify(
        f"Task {task.dag_id}.{task.task_id} failed in {task.run_id}: {what}",
        {
            "event": "task_failed",
            "dag_id": task.dag_id,
            "run_id": task.run_id,
            "task_id": task.task_id,
            "try_number": getattr(task, "try_number", 1),
        },
        getattr(task, "log_url", None),
        # Whichever of its tasks it stops: one setting stops all of them.
        NUMBER.sub("#", str(what)),
    )


def report_run_failure(context: Mapping[str, Any]) -> None:
    """Notify of a failed run whose failed task is mapped, whatever number of its tasks failed."""
    task, dag_id, run_id = context.get("ti"), context["dag"].dag_id, context["run_id"]
    if task is not None and not _is_mapped(task):
        return
    which = f" in task {task.task_id} [{task.map_index}]" if task is not None else ""
    _notify(
        f"Run {run_id} of {dag_id} failed{which}: {context.get('reason') or 'see its log'}",
        {"event": "run_failed", "dag_id": dag_id, "run_id": run_id},
        getattr(task, "log_url", None),
        which.partition(" [")[0],
    )


async def report_deadline(context: Mapping[str, Any], allowed: str) -> None:
    """Notify of a run that is not done in the time allowed; runs in the triggerer.

    Airflow asks for a run that has ended, too. Why that one failed has been reported.
    """
    run = context["dag_run"]
    if run.get("state") in ENDED:
        return
    dag_id, run_id = run["dag_id"], run["dag_run_id"]
    detail = {"event": "deadline_missed", "dag_id": dag_id, "run_id": run_id}
    await asyncio.to_thread(_notify, f"Run {run_id} of {dag_id} is late: not done after {allowed}", detail, None, "")


def _is_mapped(task: Any) -> bool:
    return getattr(task, "map_index", -1) >= 0


def _notify(text: str, detail: dict[str, Any], log_url: str | None, why: str) -> None:
    """Notify of what has happened; of the same event of the same DAG for the same reason one message tells, and counts.

    Args:
        why: what makes two of them the same, beside event and DAG.
    """
    if log_url:
        text, detail = f"{text}\n{log_url}", detail | {"log_url": log_url}
    tell_operators(
        f"{detail['event']} {detail['dag_id']} {why}",
        text,
        detail,
        " ".join(str(detail[it]) for it in ("event", "task_id", "try_number", "run_id") if it in detail),
    )
