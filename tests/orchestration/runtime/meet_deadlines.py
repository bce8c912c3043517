"""Clears runs of each DAG, and lets the time of others pass, in an Airflow of its own; prints what came of it as JSON.

A program, because Airflow's metadata database is chosen when Airflow is imported.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow import plugins_manager
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.deadline import Deadline
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

ENDED = {DagRunState.FAILED: TaskInstanceState.FAILED, DagRunState.RUNNING: TaskInstanceState.RUNNING}
# What a form has no default for.
FORM = {"from": "2026-03-02", "to": "2026-03-06"}


def make_run(dag: Any, state: DagRunState, session: Any) -> DagRun:
    """A run of today whose tasks have all failed or are all running."""
    now = datetime.now(UTC)
    run = dag.create_dagrun(
        run_id=f"{state}",
        run_after=now,
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
        state=DagRunState.QUEUED,
        conf={name: FORM[name] for name in dag.params if name in FORM},
        session=session,
    )
    run.state = state
    for task in run.get_task_instances(session=session):
        task.state = ENDED[state]
    return run


def clear(dag_ids: list[str]) -> dict[str, Any]:
    """Clear a failed and a running run of each: how many tasks, the seconds that it has then, whether that is later."""
    came: dict[str, Any] = {}
    for dag_id in dag_ids:
        for state in ENDED:
            with create_session() as session:
                dag = SerializedDagModel.get_dag(dag_id, session=session)
                run = make_run(dag, state, session)
                session.flush()
                (waits,) = session.scalars(select(Deadline).where(Deadline.dagrun_id == run.id))
                before = waits.deadline_time
                try:
                    cleared = dag.clear(run_id=run.run_id, session=session)
                    session.flush()
                except Exception as error:  # noqa: BLE001 - whatever it is, the others are still cleared
                    session.rollback()
                    came[f"{dag_id} {state}"] = repr(error)
                else:
                    moved = (waits.deadline_time - run.queued_at).total_seconds()
                    came[f"{dag_id} {state}"] = [cleared, moved, waits.deadline_time > before]
    return came


def miss(dag_id: str) -> list[list[bool]]:
    """Let the time of a run pass, while the DAG is paused and when it is not: is it missed, is its time over?"""
    came = []
    with create_session() as session:
        run = make_run(SerializedDagModel.get_dag(dag_id, session=session), DagRunState.RUNNING, session)
        session.flush()
        (deadline,) = session.scalars(select(Deadline).where(Deadline.dagrun_id == run.id))
        for paused in (True, False):
            session.get(DagModel, dag_id).is_paused = paused
            deadline.deadline_time = datetime.now(UTC) - timedelta(seconds=1)
            deadline.handle_miss(session)
            came.append([deadline.missed, deadline.deadline_time < datetime.now(UTC)])
        session.rollback()
    return came


def main() -> None:
    initdb()
    plugins_manager.ensure_plugins_loaded()
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag()
    sync_bag_to_db(bag, "dags-folder", None)
    missed = miss("land_raw")
    json.dump({"cleared": clear(sorted(bag.dags)), "missed": missed}, sys.stdout)


if __name__ == "__main__":
    main()
