"""Heartbeats of a process that runs many tasks: Airflow hears of those that take long, and takes none for dead."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from airflow.sdk.execution_time.supervisor import ActivitySubprocess

LOG = logging.getLogger(__name__)
# Airflow takes a task for dead that is silent for TASK_INSTANCE_HEARTBEAT_TIMEOUT, 45 s. A poll is over before its
# first heartbeat: one for each would be a third call to Airflow beside its first and last.
SILENT_SECONDS, LOOK_SECONDS = 28.0, 2.0


@dataclass(eq=False)
class _Beat:
    """When Airflow last heard of a task, and the lock under which a heartbeat is sent."""

    supervisor: ActivitySubprocess
    heard_at: float = field(default_factory=monotonic)
    sending: Any = field(default_factory=Lock)
    ended: bool = False


class Heart:
    """Sends a heartbeat for each task that has been silent for SILENT_SECONDS."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self._beats: set[_Beat] = set()
        Thread(target=self._watch, daemon=True).start()

    @contextmanager
    def beat(self, supervisor: ActivitySubprocess) -> Iterator[None]:
        """Keep Airflow informed that the task lives, until the caller leaves."""
        beat = _Beat(supervisor)
        self._beats.add(beat)
        try:
            yield
        finally:
            self._beats.discard(beat)
            # Waits for a heartbeat on its way: the next call is for another state.
            with beat.sending:
                beat.ended = True

    def _watch(self) -> None:
        while True:
            sleep(LOOK_SECONDS)
            for beat in list(self._beats):
                if monotonic() - beat.heard_at >= SILENT_SECONDS:
                    self._send(beat)

    def _send(self, beat: _Beat) -> None:
        supervisor = beat.supervisor
        with beat.sending:
            if beat.ended:
                return
            try:
                supervisor.client.task_instances.heartbeat(supervisor.id, pid=supervisor.pid)
                beat.heard_at = monotonic()
            except Exception:
                LOG.warning("task instance %s: Airflow did not take the heartbeat", supervisor.id, exc_info=True)


@lru_cache(maxsize=1)
def process_heart(pid: int) -> Heart:
    """The heart of process ``pid``, this one: threads do not live on in a fork."""
    return Heart()
