"""The executor that the scheduler runs: Celery's, asking for results at its own pace."""

import jwt
from airflow.executors.workloads.base import BaseWorkloadSchema
from airflow.providers.celery.executors.celery_executor import CeleryExecutor

from include.orchestration.runtime import paced_executor
from include.orchestration.runtime.paced_executor import PACE_SECONDS, PacedCeleryExecutor


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
