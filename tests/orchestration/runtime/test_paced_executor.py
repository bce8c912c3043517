"""The executor that the scheduler runs: Celery's, asking for results at its own pace."""

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
