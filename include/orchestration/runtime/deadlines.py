"""Deadlines of runs that are cleared or paused, which Airflow 3.3.2 handles wrongly.

It answers 500 to whoever clears a run that is running or has failed (apache/airflow#70368): it adds the deadline's
interval as its table holds it, in serialised form, which is no number. And it says that the runs of a paused DAG are
late, which nobody works on.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version

if TYPE_CHECKING:
    from airflow.models.deadline import Deadline

LOG = logging.getLogger(__name__)
# The private functions were read and tried in these versions only.
PATCHED_AIRFLOW = ("3.3.2",)


def patch_deadlines() -> None:
    """Replace what Airflow does with deadlines of cleared and paused runs; an untried Airflow stays as it is."""
    if airflow_version not in PATCHED_AIRFLOW:
        LOG.warning("Airflow %s: deadlines left as they are, a run with one may not be clearable", airflow_version)
        return
    # Whoever loads the plugins as a part of Airflow has its models loaded; a task does not.
    from airflow.models import taskinstance
    from airflow.models.dag import DagModel
    from airflow.models.deadline import Deadline

    taskinstance._recalculate_dagrun_queued_at_deadlines = move_deadlines
    if Deadline.handle_miss.__module__ == __name__:
        return
    original = Deadline.handle_miss

    def handle_miss(deadline: Deadline, session: Any) -> None:
        """Report the run as late; one of a paused DAG gets its time again instead."""
        dag = session.get(DagModel, deadline.dagrun.dag_id)
        if not (dag is not None and dag.is_paused and _count_from(deadline, datetime.now(UTC))):
            original(deadline, session)

    Deadline.handle_miss = handle_miss  # type: ignore[assignment, method-assign]


def move_deadlines(dagrun: Any, new_queued_at: datetime, session: Any) -> None:
    """Count the deadlines of a run, which it has not missed yet, from ``new_queued_at``; the caller commits."""
    from airflow.models.deadline import Deadline
    from sqlalchemy import false, select

    for deadline in session.scalars(
        select(Deadline).where(Deadline.dagrun_id == dagrun.id, Deadline.missed == false())
    ):
        _count_from(deadline, new_queued_at)


def _count_from(deadline: Deadline, queued_at: datetime) -> bool:
    """Set the time of a deadline whose run was queued then; return whether that is what it counts from."""
    from airflow.serialization.decoders import decode_deadline_alert
    from airflow.serialization.definitions.deadline import SerializedReferenceModels

    stored: Any = deadline.deadline_alert
    if stored is None:  # its DAG has been written anew without it
        return False
    alert = decode_deadline_alert(
        {"reference": stored.reference, "interval": stored.interval, "callback": stored.callback_def}
    )
    if not isinstance(alert.reference, SerializedReferenceModels.DagRunQueuedAtDeadline):
        return False
    interval = alert.interval if isinstance(alert.interval, timedelta) else alert.interval.resolve()
    deadline.deadline_time = queued_at + interval
    return True
