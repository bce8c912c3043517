"""The executor that the scheduler runs: Celery's, asking for results at its own pace."""

import uuid
from datetime import UTC, datetime

import jwt
import pytest
from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BaseWorkloadSchema
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagbag import DBDagBag
from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.providers.celery.executors import celery_executor_utils
from airflow.providers.celery.executors.celery_executor import CeleryExecutor
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import select

from include.orchestration.runtime import paced_executor
from include.orchestration.runtime.paced_executor import PACE_SECONDS, PacedCeleryExecutor
from tests.stored_dags import store_dag


def test_results_are_fetched_at_once_and_then_at_the_pace(monkeypatch):
    now, fetched = [1_000.0], []
    monkeypatch.setattr(paced_executor, "monotonic", lambda: now[0])
    monkeypatch.setattr(CeleryExecutor, "sync", lambda self: fetched.append(now[0]))
    executor = PacedCeleryExecutor()
    for step in range(9):
        now[0] = 1_000.0 + step * PACE_SECONDS / 4
        executor.sync()
    assert fetched == [1_000.0, 1_000.0 + PACE_SECONDS, 1_000.0 + 2 * PACE_SECONDS]


def test_what_waits_in_a_queue_over_night_can_still_be_started():
    token = BaseWorkloadSchema.generate_token("a task", PacedCeleryExecutor().jwt_generator)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == "a task"
    assert claims["scope"] == "workload"
    assert claims["exp"] - claims["iat"] >= 12 * 3_600


class Resuming:
    """A task that has deferred, whose worker's success nobody has fetched yet; driven as the scheduler drives it."""

    JOB = 1

    def __init__(self, executor, session, task, now):
        self.executor, self.session, self.task, self.now = executor, session, task, now

    def queue(self):
        """Queue the task as the scheduler does, under a new id of Celery; return the id."""
        self.task.state, self.task.queued_by_job_id = TaskInstanceState.QUEUED, self.JOB
        self.task.external_executor_id = str(uuid.uuid4())
        self.session.flush()
        workload = ExecuteTask.make(self.task, generator=self.executor.jwt_generator)
        self.executor.queue_workload(workload, self.session)
        return self.task.external_executor_id

    def loop(self):
        """What the scheduler does after it has queued tasks; with it the results are due."""
        self.now[0] += PACE_SECONDS
        self.executor.heartbeat()
        self.handle_events()

    def handle_events(self):
        SchedulerJobRunner.process_executor_events(self.executor, self.JOB, DBDagBag(), self.session)
        self.session.flush()
        self.session.refresh(self.task)

    def end(self, celery_id):
        """The worker's process has ended without an error, as Celery says in Redis."""
        self.executor.celery_app.backend.store_result(celery_id, None, "SUCCESS")

    def mismatches(self):
        query = select(Log).where(Log.event == "state mismatch", Log.run_id == self.task.run_id)
        return self.session.scalars(query).all()


@pytest.fixture
def resuming(airflow_database, redis_url, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CELERY__BROKER_URL", redis_url)
    monkeypatch.setenv("AIRFLOW__CELERY__RESULT_BACKEND", redis_url)
    monkeypatch.setenv("AIRFLOW__CELERY__SYNC_PARALLELISM", "1")
    celery_executor_utils._get_celery_app_for_workload.cache_clear()
    now = [1_000.0]
    monkeypatch.setattr(paced_executor, "monotonic", lambda: now[0])
    with DAG("waits", schedule=None) as dag:
        EmptyOperator(task_id="sensor")
    store_dag(dag)
    with create_session() as session:
        run = SerializedDagModel.get_dag("waits", session=session).create_dagrun(
            run_id=f"run-{uuid.uuid4().hex}",
            run_after=datetime.now(UTC),
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            session=session,
        )
        (task,) = run.get_task_instances(session=session)
        task.try_number = 1
        resuming = Resuming(PacedCeleryExecutor(), session, task, now)
        first = resuming.queue()
        resuming.loop()
        # The worker defers the task, its process ends, and the trigger fires.
        task.next_method = "execute_complete"
        resuming.end(first)
        task.state = TaskInstanceState.SCHEDULED
        session.flush()
        yield resuming
        session.rollback()
    celery_executor_utils._get_celery_app_for_workload.cache_clear()


def test_the_success_of_a_worker_that_deferred_does_not_end_a_task_that_waits_for_a_slot(resuming):
    resuming.loop()
    assert resuming.task.state == TaskInstanceState.SCHEDULED
    resuming.queue()
    resuming.executor.parallelism = 0
    resuming.loop()
    assert resuming.task.state == TaskInstanceState.QUEUED
    assert resuming.mismatches() == []


@pytest.mark.parametrize("state", [TaskInstanceState.QUEUED, TaskInstanceState.RUNNING])
def test_the_success_of_a_worker_that_deferred_does_not_end_the_task_that_has_resumed(resuming, state):
    """Airflow would believe it: a task is known by its try, and a resumed one has the same (apache/airflow#72716)."""
    second = resuming.queue()
    resuming.executor.heartbeat()
    resuming.handle_events()
    resuming.task.state = state
    resuming.loop()
    assert resuming.task.state == state
    assert resuming.executor.has_task(resuming.task)
    # Its own end is still seen.
    resuming.task.state = TaskInstanceState.SUCCESS
    resuming.end(second)
    resuming.loop()
    assert resuming.task.state == TaskInstanceState.SUCCESS
    assert not resuming.executor.has_task(resuming.task)
    assert resuming.mismatches() == []


def test_airflow_still_believes_a_success_of_before(resuming):
    """When this fails, the two tests above show nothing any more: Airflow tells the two apart itself."""
    resuming.queue()
    resuming.executor.heartbeat()
    resuming.handle_events()
    resuming.task.state = TaskInstanceState.RUNNING
    resuming.session.flush()
    resuming.executor.success(resuming.task.key)
    resuming.handle_events()
    assert resuming.task.state == TaskInstanceState.FAILED
    assert len(resuming.mismatches()) == 1
