"""Celery's executor at a steady pace: results are fetched every two seconds, not in every loop of the scheduler.

The scheduler loops without rest while its executor hands it results, and each loop reads every task of the running
runs anew: with hundreds of short tasks a minute that was half of its work. A result is news to the executor only; the
task has reported its end to Airflow itself. One that has not been fetched when its task resumes is not asked for any
more, so that Airflow never takes the end of a worker that deferred for that of the task.

And what waits in its queues can still be started after a night. Airflow gives a queued task's token the life of
``TASK_QUEUED_TIMEOUT``, after which the scheduler queues a task anew that no worker has started. That is to be soon,
for a killed worker takes what it had fetched with it. But whatever the stack left in its queues would fail after a
stop of a minute, for "Invalid auth token".
"""

from __future__ import annotations

from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.providers.celery.executors.celery_executor import CeleryExecutor

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.tokens import JWTGenerator

PACE_SECONDS = 2.0
# As long as Celery leaves a task with a worker that says nothing.
QUEUED_SECONDS = 86_400.0


class LastingTokens:
    """Makes the tokens with which queued tasks may be started; each is good for the start of one."""

    def __init__(self, generator: JWTGenerator):
        self._generator = generator

    def generate(self, extras: dict[str, Any] | None = None, valid_for: float | None = None) -> str:
        """Make a token for what ``extras`` name, which is valid for ``QUEUED_SECONDS`` at least."""
        return self._generator.generate(extras, valid_for=max(valid_for or 0.0, QUEUED_SECONDS))


class PacedCeleryExecutor(CeleryExecutor):
    """Used with ``AIRFLOW__CORE__EXECUTOR=include.orchestration.runtime.paced_executor.PacedCeleryExecutor``."""

    _fetched = 0.0

    @cached_property
    def jwt_generator(self) -> LastingTokens:  # type: ignore[override]  # of which Airflow calls generate only
        return LastingTokens(super().jwt_generator)

    def sync(self) -> None:
        if monotonic() - self._fetched >= PACE_SECONDS:
            super().sync()
            self._fetched = monotonic()
