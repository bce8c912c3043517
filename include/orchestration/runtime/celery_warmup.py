"""Makes a Celery task cost a tenth: what every task would import and compile is loaded once, before the pool forks.

Used with ``AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS=include.orchestration.runtime.celery_warmup.CELERY_CONFIG``.
"""

from __future__ import annotations

import gc
import importlib
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from airflow import sdk
from airflow.configuration import conf
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from airflow.sdk.listener import get_listener_manager
from celery import Celery
from celery.signals import celeryd_init, heartbeat_sent, import_modules, worker_process_init

from include.orchestration.application.database import await_migrations
from include.orchestration.marts.connector import initialise_connector_logger
from include.orchestration.queues import Queue
from include.orchestration.runtime.component_log import prepare_worker
from include.orchestration.runtime.worker_lifecycle import (
    DismissSensors,
    consumes,
    name_processes,
    prepare_threads,
    reap_at_once,
    show_heartbeat,
)
from include.surveillance.settings import Settings

LOG = logging.getLogger(__name__)
CELERY_CONFIG = {
    **DEFAULT_CELERY_CONFIG,
    "worker_max_tasks_per_child": 5_000,
    # When the broker has been away, Celery no longer knows which processes are busy: new tasks would wait for sensors
    # that stay for ten minutes beside free ones. So a worker with processes ends and is started anew.
    "broker_connection_retry": conf.get("celery", "pool") == "threads",
    "broker_connection_retry_on_startup": True,
}

# What, with all that these import, Airflow's task runner and our DAG files need; otherwise every task imports it again.
NEEDED = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.execution_time.supervisor",
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.decorators.python",
    "include.orchestration.sensors",
    "include.orchestration.ingest.poll_operator",
    "include.surveillance.live.detector",
    "include.surveillance.live.warm_up",
    "include.surveillance.normalise.reference",
)
# Slow to import and used by few tasks: worth having, not worth a worker that does not start.
USEFUL = (
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.snowflake.hooks.snowflake",
    "cosmos.operators.watcher",
    "dbt.cli.main",
    "dbt.adapters.snowflake",
    "include.orchestration.marts.render",
    "include.surveillance.warehouse.streaming",
)

# Objects made before the collector looks for garbage. A batch of bars is tens of thousands that are none: at 700, as
# Python has it, looking takes a tenth of a detector's time.
YOUNG = 10_000


def preload(sender: Celery, **_: Any) -> None:
    """Load what the tasks of this worker's queues need; in its main process, before it forks."""
    if not consumes(conf.get("operators", "default_queue")):  # bootstrap_platform, which migrates, runs there
        await_migrations()
    sender.steps["worker"].add(DismissSensors)
    if conf.get("celery", "pool") == "threads":
        prepare_threads()
    gc.set_threshold(YOUNG)
    for name in NEEDED:
        importlib.import_module(name)
    if consumes(Queue.WAREHOUSE):
        for name in USEFUL:
            _try(f"preload {name}; tasks that need it start slower or fail", importlib.import_module, name)
        _try("warm the warehouse's connector up; builds may hang", initialise_connector_logger)
    if consumes(Queue.DETECT):
        _try("warm detection up; the first task of each process starts slower or fails", warm_detection_up)
    get_listener_manager()  # loads the plugins, which each task process would do again
    for name in sdk.__all__:
        with suppress(AttributeError):  # a listed name that is a module, not an attribute, is imported all the same
            getattr(sdk, name)
    # What is loaded by now stays: a process that looks through it for garbage would write to it, and have it twice.
    gc.collect()
    gc.freeze()


def warm_detection_up() -> None:
    """Build the calendar, half a second, and load the kernels, one, or compile them, a minute when they are new."""
    from include.surveillance.detection.parameters.book import ParameterBook
    from include.surveillance.live.warm_up import warm_up
    from include.surveillance.sessions import Sessions

    settings = Settings.from_env()
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    warm_up(sessions, ParameterBook.load(settings.parameters_file))


def _try(what: str, work: Callable[..., object], *arguments: object) -> None:
    try:
        work(*arguments)
    except Exception:
        LOG.exception("could not %s", what)


import_modules.connect(preload)
celeryd_init.connect(prepare_worker)
heartbeat_sent.connect(show_heartbeat)
worker_process_init.connect(reap_at_once)
worker_process_init.connect(name_processes)
