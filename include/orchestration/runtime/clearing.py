"""Lets people clear a run that is running or has failed: Airflow 3.3.2 answers 500 (apache/airflow#70368).

A cleared run gets a new deadline, counted from now. Airflow adds the deadline's interval as its table holds it, in
serialised form, which is no number. All our DAGs have such a deadline.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from airflow import __version__ as airflow_version

LOG = logging.getLogger(__name__)
# The private function was read and tried in these versions only.
PATCHED_AIRFLOW = ("3.3.2",)


def patch_clearing() -> None:
    """Move deadlines by ``move_deadlines`` when a run is cleared; an Airflow not tried with it stays as it is."""
    if airflow_version not in PATCHED_AIRFLOW:
        LOG.warning("Airflow %s: clearing left as it is, a run with a deadline may not be clearable", airflow_version)
        return
    # Whoever loads the plugins as a part of Airflow has its models loaded; a task does not.
    from airflow.models import taskinstance

    taskinstance._recalculate_dagrun_queued_at_deadlines = move_deadlines


def move_deadlines(dagrun: Any, new_queued_at: datetime, session: Any) -> None:
    """Count the deadlines of a run, which it has not missed yet, from ``new_queued_at``; the caller commits."""
    from airflow.models.deadline import Deadline
    from airflow.serialization.decoders import decode_deadline_alert
    from airflow.serialization.definitions.deadline import SerializedReferenceModels
    from sqlalchemy import false, select

    # One whose DAG has been written anew without it counts from nothing.
    waiting = select(Deadline).where(Deadline.dagrun_id == dagrun.id, Deadline.missed == false())
    for deadline in session.scalars(waiting.where(Deadline.deadline_alert_id.is_not(None))):
        stored = deadline.deadline_alert
        alert = decode_deadline_alert(
            {"reference": stored.reference, "interval": stored.interval, "callback": stored.callback_def}
        )
        if isinstance(alert.reference, SerializedReferenceModels.DagRunQueuedAtDeadline):
            interval = alert.interval if isinstance(alert.interval, timedelta) else alert.interval.resolve()
            deadline.deadline_time = new_queued_at + interval
