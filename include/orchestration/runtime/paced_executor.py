"""Celery's executor at a steady pace: results are fetched every two seconds, not in every loop of the scheduler.

The scheduler loops without rest while its executor hands it results, and each loop reads every task of the running
runs anew: with hundreds of short tasks a minute that was half of its work. A result is news to the executor only; the
task has reported its end to Airflow itself.
"""

from __future__ import annotations

from time import monotonic

from airflow.providers.celery.executors.celery_executor import CeleryExecutor

PACE_SECONDS = 2.0


class PacedCeleryExecutor(CeleryExecutor):
    """Used with ``AIRFLOW__CORE__EXECUTOR=include.orchestration.runtime.paced_executor.PacedCeleryExecutor``."""

    _fetched = 0.0

    def sync(self) -> None:
        if monotonic() - self._fetched >= PACE_SECONDS:
            super().sync()
            self._fetched = monotonic()
