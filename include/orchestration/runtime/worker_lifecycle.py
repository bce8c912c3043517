"""How a Celery worker shares its process with threads, ends, and lets its tasks go.

The scheduler reads Celery's settings, too, and so this module: parts of Airflow's runner are imported where they are
used.
"""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import psutil
import setproctitle
from airflow import __version__ as airflow_version
from airflow.configuration import AIRFLOW_HOME, conf
from celery import bootsteps
from celery.signals import task_postrun

from include.orchestration.queues import Queue
from include.surveillance.errors import ConfigurationError

LOG = logging.getLogger(__name__)
# What tasks may leave behind in a process does not grow for ever: Celery replaces a process, and what runs the worker
# starts one with threads anew. Some 6 kB a task in the fast lane, an hour of 500 symbols.
TASKS_OF_THREADS = 30_000
# The supervisor's private method was read and measured in these versions only.
PATCHED_AIRFLOW = ("3.3.2",)
REAP_SECONDS = 0.01
# How the task runner calls its process; it takes SIGTERM for the operator's on_kill.
TASK_TITLE = "airflow worker -- "

_tasks_done = count(1)


def consumes(queue: str) -> bool:
    """Whether this worker gets tasks of a queue: those of its command line, all when that names none."""
    named = _option("-q", "--queues")
    return not named or queue in named.split(",")


def name_processes(**_: Any) -> None:
    """Let the titles that Airflow gives to the processes of this worker's pool say whose they are, too."""
    if component := _component():
        _change_titles(lambda title: f"{title} ({component})")


def show_heartbeat(**_: Any) -> None:
    """Touch ``<component>.heartbeat`` in Airflow's folder, so that whoever asks for this worker's health reads a time.

    Celery sends a heartbeat every two seconds while it is connected to the broker.
    """
    (Path(AIRFLOW_HOME) / f"{_component()}.heartbeat").touch()


def keep_title() -> None:
    """Keep Celery's title, which names the worker: with threads Airflow would call it by its newest task."""
    _change_titles(lambda _: None)


def _change_titles(change: Callable[[str], str | None]) -> None:
    """Change the titles that Airflow gives, or leave those out for which there is none."""
    set_title = setproctitle.setproctitle

    def set_changed(title: str) -> None:
        if (changed := change(title) if title.startswith("airflow ") else title) is not None:
            set_title(changed)

    setproctitle.setproctitle = set_changed


def _component() -> str:
    """Return what stands before the @ of this worker's name; empty where it was given none."""
    return _option("-H", "--celery-hostname").split("@")[0]


def _option(*words: str) -> str:
    """Return an option of this worker's command line, the last one given; empty without."""
    return next((value for word, value in reversed([*pairwise(sys.argv)]) if word in words), "")


def prepare_threads() -> None:
    """Let threads run tasks side by side, which they do in the fast lane only.

    Raises:
        ConfigurationError: a queue of this worker would have its tasks forked, which threads may not do.
    """
    from airflow.sdk.execution_time.supervisor import block_orm_access

    from include.orchestration.runtime import fast_lane

    lanes: Any = conf.getjson("sdk", "queue_to_coordinator", fallback={})
    forked = [queue for queue in Queue if consumes(queue) and queue not in lanes]
    if forked or airflow_version not in fast_lane.TESTED_AIRFLOW:
        why = f"Airflow {airflow_version} was not tried" if not forked else f"queues {', '.join(forked)} have no lane"
        raise ConfigurationError(
            f"AIRFLOW__CELERY__POOL=threads is for the fast lane, but {why}: set it to prefork, --concurrency to 8"
        )
    fast_lane.prepare()
    # As in the processes that Airflow forks for tasks.
    block_orm_access()
    keep_title()
    task_postrun.connect(end_after_many_tasks)


def end_after_many_tasks(**_: Any) -> None:
    """Stop as on SIGTERM after the last of so many tasks: those that run end first, and those that come wait."""
    if next(_tasks_done) == TASKS_OF_THREADS:
        LOG.warning("%d tasks done: this worker ends, to be started anew", TASKS_OF_THREADS)
        os.kill(os.getpid(), signal.SIGTERM)


def reap_at_once(**_: Any) -> None:
    """Wait for a task process that has closed its sockets milliseconds instead of 5 s."""
    if airflow_version not in PATCHED_AIRFLOW:
        LOG.warning("Airflow %s: supervisor left as it is, tasks may hold a slot 5 s longer", airflow_version)
        return
    from airflow.sdk.execution_time.supervisor import WatchedSubprocess

    original = WatchedSubprocess._service_subprocess

    @functools.wraps(original)
    def service_subprocess(self: WatchedSubprocess, max_wait_time: float, *args: Any, **kwargs: Any) -> Any:
        if not self._open_sockets:
            max_wait_time = min(max_wait_time, REAP_SECONDS)
        return original(self, max_wait_time, *args, **kwargs)

    WatchedSubprocess._service_subprocess = service_subprocess  # type: ignore[method-assign]


class DismissSensors(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Tells the sensors that linger on a worker to leave when it stops: it would wait for them, and kill them."""

    requires = ("celery.worker.components:Pool",)

    def stop(self, parent: Any) -> None:
        """Dismiss them before the pool stops, whether somebody stops Celery or it has lost its broker."""
        if not consumes(Queue.DETECT):
            return
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if process.cmdline()[:1] and process.cmdline()[0].startswith(TASK_TITLE):
                    process.send_signal(signal.SIGTERM)
