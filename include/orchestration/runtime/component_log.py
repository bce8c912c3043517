"""Keeps out of the components' logs what helps nobody, and says the reason where only a count stood.

``AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS=include.orchestration.runtime.component_log.LOGGING_CONFIG``
"""

from __future__ import annotations

import logging
import warnings
from copy import deepcopy
from typing import Any

# Airflow looks for the last two beside the configuration.
from airflow.config_templates.airflow_local_settings import (
    DEFAULT_LOGGING_CONFIG,
    DEFAULT_REMOTE_CONN_ID,
    REMOTE_TASK_LOG,
)

__all__ = ["DEFAULT_REMOTE_CONN_ID", "LOGGING_CONFIG", "REMOTE_TASK_LOG"]
LOG = logging.getLogger(__name__)

LOGGING_CONFIG: dict[str, Any] = deepcopy(DEFAULT_LOGGING_CONFIG)
# All components share the folder of the tasks' logs, and nobody serves them: the page would begin with that.
LOGGING_CONFIG["handlers"]["task"]["class"] = "include.orchestration.runtime.shared_task_logs.SharedTaskLogs"
LOGGING_CONFIG["loggers"] |= {
    name: {"level": level}
    for level, names in {
        # Once a task, with all that Airflow knows of it.
        "WARNING": ("airflow.providers.celery.executors.celery_executor_utils",),
        # That Redis holds results, that nobody has asked for OpenLineage, that a thread imports a DAG file.
        "ERROR": (
            "airflow.providers.celery.executors.default_celery",
            "airflow.dag_processing.importers.python_importer",
            "cosmos.operators.local",
        ),
    }.items()
    for name in names
}


def prepare_worker(**_: Any) -> None:
    """Change what a worker and all that it forks write."""
    from airflow.sdk.api import client

    client._log_retry_warning = log_repetition
    # On a machine of one's own there may be nobody but root; Docker's user is another.
    warnings.filterwarnings("ignore", r"\s*You're running the worker with superuser privileges")


def log_repetition(state: Any) -> None:
    """Say which call to Airflow is repeated, when, and why: Airflow itself gives only the number."""
    error = state.outcome.exception() if state.outcome else None
    request = getattr(error, "_request", None)
    call = f"{request.method} {request.url.path}" if request is not None else "a call"
    LOG.warning(
        "execution API: %s failed (try %d), again in %.1f s: %s: %s",
        call,
        state.attempt_number,
        state.upcoming_sleep,
        type(error).__name__,
        error,
    )
