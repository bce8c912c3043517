"""Makes a Celery task cost a tenth: import once before the pool forks, and do not idle after a task has ended. And
lets tasks that would stay go when the worker stops.

Used with ``AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS=include.orchestration.runtime.celery_warmup.CELERY_CONFIG``.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count, pairwise
from typing import Any

import psutil
from airflow import __version__ as airflow_version
from airflow.configuration import conf
from airflow.providers.celery.executors.default_celery import DEFAULT_CELERY_CONFIG
from celery import Celery, bootsteps
from celery.signals import import_modules, task_postrun, worker_process_init

from include.orchestration.dag_defaults import Queue
from include.orchestration.marts.connector import initialise_connector_logger
from include.surveillance.errors import ConfigurationError

LOG = logging.getLogger(__name__)
# What tasks may leave behind in a process does not grow for ever: Celery replaces a process, and what runs the worker
# starts one with threads anew. Some 6 kB a task in the fast lane, an hour of 500 symbols.
TASKS_OF_THREADS = 30_000
CELERY_CONFIG = {
    **DEFAULT_CELERY_CONFIG,
    "worker_max_tasks_per_child": 5_000,
    # When the broker has been away, Celery no longer knows which processes are busy: new tasks would wait for sensors
    # that stay for ten minutes beside free ones. So a worker with processes ends and is started anew.
    "broker_connection_retry": conf.get("celery", "pool") == "threads",
    "broker_connection_retry_on_startup": True,
}

# What Airflow's task runner and our DAG files import; otherwise every task process imports it again.
NEEDED = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.definitions.mappedoperator",
    "airflow.dag_processing.bundles.manager",
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.decorators.python",
    "include.orchestration.dag_defaults",
    "include.orchestration.sensors",
    "include.orchestration.connections",
    "include.orchestration.ingest.poll_operator",
    "include.surveillance.broker",
    "include.surveillance.live.detector",
    "include.surveillance.live.warm_up",
    "include.surveillance.polygon.client",
    "include.surveillance.normalise.reference",
    "include.surveillance.polygon.client",
    "include.surveillance.sessions",
)
# Slow to import and used by few tasks: worth having, not worth a worker that does not start.
USEFUL = (
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.snowflake.hooks.snowflake",
    "cosmos",
    "cosmos.operators.watcher",
    "dbt.cli.main",
    "dbt.adapters.snowflake",
    "include.orchestration.marts.docs",
    "include.orchestration.marts.render",
    "include.surveillance.warehouse",
    "pyarrow.compute",
    "pyarrow.parquet",
    "snowflake.connector",
)

# Objects made before the collector looks for garbage. A batch of bars is tens of thousands that are none: at 700, as
# Python has it, looking takes a tenth of a detector's time.
YOUNG = 10_000

# The supervisor's private method was read and measured in these versions only.
PATCHED_AIRFLOW = ("3.3.2",)
REAP_SECONDS = 0.01
# How the task runner calls its process; it takes SIGTERM for the operator's on_kill.
TASK_TITLE = "airflow worker -- "


@import_modules.connect
def preload(sender: Celery, **_: Any) -> None:
    """In the worker's main process, before it forks."""
    sender.steps["worker"].add(SensorsLeave)
    if conf.get("celery", "pool") == "threads":
        share()
    gc.set_threshold(YOUNG)
    for name in NEEDED:
        importlib.import_module(name)
    for name in USEFUL if _consumes(Queue.WAREHOUSE) else ():
        try:
            importlib.import_module(name)
        except Exception:
            LOG.exception("could not preload %s; tasks that need it start slower or fail", name)
    if _consumes(Queue.WAREHOUSE):
        _warm("the warehouse's connector", initialise_connector_logger)
    if _consumes(Queue.DETECT):
        _warm("detection", _detect)
    from airflow import sdk
    from airflow.sdk.listener import get_listener_manager

    get_listener_manager()  # loads the plugins, which each task process would do again
    for name in sdk.__all__:
        with suppress(AttributeError):  # a listed name that is a module, not an attribute, is imported all the same
            getattr(sdk, name)


def share() -> None:
    """Threads run tasks side by side in the fast lane only.

    Raises:
        ConfigurationError: a queue of this worker would have its tasks forked, which threads may not do.
    """
    from include.orchestration.runtime import fast_lane

    lanes = conf.getjson("sdk", "queue_to_coordinator", fallback={})
    forked = [queue for queue in Queue if _consumes(queue) and queue not in lanes]
    if forked or airflow_version not in fast_lane.TESTED_AIRFLOW:
        why = f"Airflow {airflow_version} was not tried" if not forked else f"queues {', '.join(forked)} have no lane"
        raise ConfigurationError(
            f"AIRFLOW__CELERY__POOL=threads is for the fast lane, but {why}: set it to prefork, --concurrency to 8"
        )
    fast_lane.share_process()
    task_postrun.connect(renew)


_done = count(1)


def renew(**_: Any) -> None:
    """After the last of so many tasks stop as on SIGTERM: those that run end first, and those that come wait."""
    if next(_done) == TASKS_OF_THREADS:
        LOG.warning("%d tasks done: this worker ends, to be started anew", TASKS_OF_THREADS)
        os.kill(os.getpid(), signal.SIGTERM)


def _consumes(queue: str) -> bool:
    """Whether this worker gets tasks of a queue: those of its command line, all when that names none."""
    named = [following for word, following in pairwise(sys.argv) if word in ("-q", "--queues")]
    return not named or queue in named[-1].split(",")


def _warm(what: str, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        LOG.exception("could not warm %s up; the first task of each process starts slower or fails", what)


def _detect() -> None:
    """The calendar takes half a second to build and the kernels one to load, a minute to compile when they are new."""
    from include.surveillance.detection.parameters.book import ParameterBook
    from include.surveillance.live.warm_up import warm_up
    from include.surveillance.sessions import Sessions
    from include.surveillance.settings import Settings

    settings = Settings.from_env()
    sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
    warm_up(sessions, ParameterBook.load(settings.parameters_file))


@worker_process_init.connect
def reap_at_once(**_: Any) -> None:
    """A task process that has closed its sockets is waited for in milliseconds instead of 5 s."""
    if airflow_version not in PATCHED_AIRFLOW:
        LOG.warning("Airflow %s: supervisor left as it is, tasks may hold a slot 5 s longer", airflow_version)
        return
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    original = WatchedSubprocess._service_subprocess

    def service_subprocess(self: WatchedSubprocess, max_wait_time: float, *args: Any, **kwargs: Any) -> int | None:
        if not self._open_sockets:
            max_wait_time = min(max_wait_time, REAP_SECONDS)
        return original(self, max_wait_time, *args, **kwargs)

    WatchedSubprocess._service_subprocess = service_subprocess


class SensorsLeave(bootsteps.StartStopStep):
    """A worker that stops waits for its tasks; sensors that linger on it would stay, and be killed in the end."""

    requires = ("celery.worker.components:Pool",)

    def stop(self, parent: Any) -> None:
        """Before the pool does, whether Celery was told to stop or has lost its broker."""
        if not _consumes(Queue.DETECT):
            return
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if process.cmdline()[:1] and process.cmdline()[0].startswith(TASK_TITLE):
                    process.send_signal(signal.SIGTERM)
