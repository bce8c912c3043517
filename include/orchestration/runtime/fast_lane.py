"""The fast lane: tasks of a few milliseconds run in threads of the Celery process, without a process of their own.

Forking, parsing the DAG file and connecting anew cost a poll ten times what polling costs. Airflow hands the tasks of
a queue to a coordinator where its settings say so (``[sdk] coordinators`` and ``queue_to_coordinator``, made for
other languages); this one runs Python where it stands. Without these two settings the same tasks run as all others
do, only slower.

Threads (``[celery] pool``), because a thread that waits costs nothing: all polls of a minute can have started before
it closes, and what is left to do after the close is to poll.

What a task gives up here: a crash takes all tasks of the Celery process with it (it is started anew, Airflow retries
them), and nobody can stop it while it runs. For tasks of seconds only.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from io import TextIOBase
from pathlib import Path
from threading import BoundedSemaphore, Lock, Thread, local
from time import monotonic, sleep
from typing import Any

import httpx
import psutil
from airflow import __version__ as airflow_version
from airflow.sdk._shared import secrets_masker
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.definitions._internal import contextmanager as current
from airflow.sdk.execution_time import context as running
from airflow.sdk.execution_time import coordinator, supervisor, task_runner
from airflow.sdk.execution_time.comms import SetRenderedMapIndex
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, finalize, run
from structlog.contextvars import bound_contextvars

LOG = logging.getLogger(__name__)
# It rests on private parts of Airflow, which were read and tried in these versions only.
TESTED_AIRFLOW = ("3.3.2",)
# Airflow takes a task for dead that is silent for TASK_INSTANCE_HEARTBEAT_TIMEOUT, 45 s. A poll is over before it would
# be heard of: a heartbeat for each would be a third call to Airflow beside its first and last.
SILENT_SECONDS, LOOK_SECONDS = 28.0, 2.0
# To Airflow at a time, of all tasks of a process.
CALLS_AT_ONCE = 16
# Whose lists are kept.
RUNS_AT_ONCE = 8


class InProcessCoordinator(coordinator.BaseCoordinator):
    """Runs a task in the process that it is called in; in an Airflow that it was not tried with, as usual."""

    def execute_task(
        self, *, what: Any, dag_rel_path: Any, bundle_info: Any, client: Any, logger: Any = None, **kwargs: Any
    ) -> coordinator.BaseCoordinator.ExecutionResult:
        if airflow_version not in TESTED_AIRFLOW:
            LOG.warning(
                "the fast lane was not tried with Airflow %s: tasks run in their own processes", airflow_version
            )
            return coordinator._PythonCoordinator().execute_task(
                what=what, dag_rel_path=dag_rel_path, bundle_info=bundle_info, client=client, logger=logger, **kwargs
            )
        state = InProcessSupervisor.run(what, dag_rel_path, bundle_info, _connected(client), logger)
        return self.ExecutionResult(0, state.value)


class InProcessSupervisor(supervisor.InProcessTestSupervisor):
    """What a task asks of Airflow, answered without a process between; fewer calls than usual."""

    @classmethod
    def run(cls, what: Any, dag_rel_path: Any, bundle_info: Any, client: Any, logger: Any) -> Any:
        """One task, from start to its last state, which is returned."""
        from airflow.sdk.api.datamodels._generated import TaskInstanceState

        share_process()
        heart = _heart(os.getpid())
        overseer = cls(id=what.id, pid=os.getpid(), process=heart.process, process_log=logger, client=client)
        overseer.ti, overseer.answers = what, deque()
        began = datetime.now(UTC)
        served = client.task_instances.start(what.id, overseer.pid, began)
        overseer._should_retry = served.should_retry
        with ExitStack() as during:
            during.enter_context(_set(_OVERSEER, overseer))
            during.enter_context(heart.beating(overseer))
            during.enter_context(_logging_to(logger, what))
            dag, bundle = _dag(bundle_info.name, bundle_info.version, os.fspath(dag_rel_path), what.dag_id)
            task = InProcessTask.model_construct(
                **what.model_dump(exclude_unset=True),
                task=dag.task_dict[what.task_id],
                bundle_instance=bundle,
                _ti_context_from_server=served,
                max_tries=served.max_tries,
                start_date=served.start_date or began,
                state=TaskInstanceState.RUNNING,
                sentry_integration="",
            )
            context = task.get_template_context()
            state, _, error = run(task, context, logger)
            context["exception"] = error
            finalize(task, state, context, logger, error)
            overseer.update_task_state_if_needed()
        return state

    def ask(self, msg: Any) -> Any:
        """What the task wants to know or do."""
        # Meanwhile nobody asks for the task: what masks a secret would tell it back for ever.
        with _set(_OVERSEER, None):
            self._handle_request(msg, supervisor.log, 0)
        return self.answers.popleft()

    def send_msg(self, msg: Any, request_id: int, error: Any = None, **dump_opts: Any) -> None:
        self.answers.append(msg)

    def _handle_request(self, msg: Any, log: Any, req_id: int) -> None:
        if isinstance(msg, SetRenderedMapIndex):
            # Sent with the task's last state: one call less.
            self._rendered_map_index = msg.rendered_map_index
            self.send_msg(None, req_id)
        else:
            super()._handle_request(msg, log, req_id)


class InProcessTask(RuntimeTaskInstance):
    """A task instance that shares what its run is mapped over with the next one in this process."""

    def xcom_pull(self, *args: Any, **kwargs: Any) -> Any:
        # What another task has returned as a whole is final; what it pushes under other keys may still come or change.
        if kwargs.get("key") != BaseXCom.XCOM_RETURN_KEY or kwargs.get("map_indexes", ()) is not None:
            return super().xcom_pull(*args, **kwargs)
        # All mapped tasks of a run ask for the one list that they are mapped over, and to read hundreds of entries
        # costs a seventh of a poll. Tries of a run that was cleared ask anew.
        asked = (self.dag_id, self.run_id, self.try_number, repr(kwargs))
        with _PULLING:
            if asked not in _PULLED:
                if len(_PULLED) >= RUNS_AT_ONCE:
                    _PULLED.clear()
                _PULLED[asked] = super().xcom_pull(**kwargs)
            return _PULLED[asked]


_OVERSEER: ContextVar[InProcessSupervisor | None] = ContextVar("overseer", default=None)
_TASK_LOG: ContextVar[Any] = ContextVar("task_log", default=None)
_PULLING, _PULLED = Lock(), dict[tuple[Any, ...], Any]()
_PARSING, _PARSED = Lock(), dict[tuple[str, str | None, str], tuple[int, Any, Any]]()


def _dag(bundle_name: str, version: str | None, path: str, dag_id: str) -> tuple[Any, Any]:
    """The DAG and its bundle; parsed again when its file has changed."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag

    place = (bundle_name, version, path)
    with _PARSING:
        changed, bag, bundle = _PARSED.get(place, (None, None, None))
        if bundle is None:
            bundle = DagBundlesManager().get_bundle(name=bundle_name, version=version)
            bundle.initialize()
        file = Path(bundle.path, path)
        if changed != (now := file.stat().st_mtime_ns):
            bag = BundleDagBag(
                dag_folder=os.fspath(file),
                safe_mode=False,
                load_op_links=False,
                bundle_path=bundle.path,
                bundle_name=bundle_name,
            )
            _PARSED[place] = now, bag, bundle
        return bag.dags[dag_id], bundle


@lru_cache(maxsize=1)
def share_process() -> None:
    """What Airflow's runner keeps once a process, as it has one for each task, is each thread's own from now on."""
    task_runner.SUPERVISOR_COMMS = _Comms()
    current._CURRENT_CONTEXT = running._CURRENT_CONTEXT = _Contexts()
    # A task takes SIGTERM for its process; here it is Celery's, and other threads than the main one cannot take it.
    take = signal.signal
    signal.signal = lambda *given: take(*given) if _OVERSEER.get() is None else None
    # Secrets of one task stay masked when the next one begins.
    secrets_masker.reset_secrets_masker = lambda: None


class _Comms:
    """The line to Airflow of whichever task asks."""

    def send(self, msg: Any) -> Any:
        if (overseer := _OVERSEER.get()) is None:
            raise RuntimeError(f"{type(msg).__name__}: no task runs in this thread that Airflow could be asked for")
        return overseer.ask(msg)

    async def asend(self, msg: Any) -> Any:
        return self.send(msg)


class _Contexts(local):
    """The stack of contexts of the tasks that run in one another, a thread's own."""

    def __init__(self) -> None:
        self._stack: list[Any] = []

    def append(self, context: Any) -> None:
        self._stack.append(context)

    def pop(self) -> Any:
        return self._stack.pop()

    def __getitem__(self, place: int) -> Any:
        return self._stack[place]

    def __len__(self) -> int:
        return len(self._stack)


@contextmanager
def _set(variable: ContextVar[Any], value: Any) -> Iterator[None]:
    before = variable.set(value)
    try:
        yield
    finally:
        variable.reset(before)


def _connected(client: Any) -> Any:
    """A client with this task's token over the connections of all tasks."""
    from airflow.sdk.api.client import Client

    connected = Client(base_url=str(client.base_url), token="", transport=_calls(os.getpid()))
    connected.auth = client.auth
    return connected


class Calls(httpx.HTTPTransport):
    """Connections to Airflow that are kept from task to task."""

    def __init__(self) -> None:
        # The server closes those that have been idle for 5 s.
        super().__init__(limits=httpx.Limits(max_keepalive_connections=CALLS_AT_ONCE, keepalive_expiry=3.0))
        self._free = BoundedSemaphore(CALLS_AT_ONCE)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._free:
            return super().handle_request(request)


@lru_cache(maxsize=1)
def _calls(pid: int) -> Calls:
    """This process's own: connections do not live on in a fork."""
    return Calls()


@dataclass(eq=False)
class Beat:
    """When Airflow last heard of a task, and the lock under which it is told."""

    overseer: InProcessSupervisor
    heard: float = field(default_factory=monotonic)
    telling: Any = field(default_factory=Lock)
    over: bool = False


class Heart:
    """Of a process that runs many tasks: tells Airflow now and then that those live which take long."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self._beats: set[Beat] = set()
        Thread(target=self._look, daemon=True).start()

    @contextmanager
    def beating(self, overseer: InProcessSupervisor) -> Iterator[None]:
        beat = Beat(overseer)
        self._beats.add(beat)
        try:
            yield
        finally:
            self._beats.discard(beat)
            # Waits for a beat on its way: the next call is for another state.
            with beat.telling:
                beat.over = True

    def _look(self) -> None:
        while True:
            sleep(LOOK_SECONDS)
            for beat in list(self._beats):
                if monotonic() - beat.heard >= SILENT_SECONDS:
                    self._tell(beat)

    def _tell(self, beat: Beat) -> None:
        overseer = beat.overseer
        with beat.telling:
            if beat.over:
                return
            try:
                overseer.client.task_instances.heartbeat(overseer.id, pid=overseer.pid)
                beat.heard = monotonic()
            except Exception:
                LOG.warning("task instance %s: Airflow did not take the heartbeat", overseer.id, exc_info=True)


@lru_cache(maxsize=1)
def _heart(pid: int) -> Heart:
    """This process's own: threads do not live on in a fork."""
    return Heart()


@contextmanager
def _logging_to(log: Any, what: Any) -> Iterator[None]:
    """What is logged or printed by this thread meanwhile stands in the task's log."""
    _listen(os.getpid())
    about = {"dag_id": what.dag_id, "run_id": what.run_id, "task_id": what.task_id, "map_index": what.map_index}
    with bound_contextvars(ti_id=str(what.id), try_number=what.try_number, **about), _set(_TASK_LOG, log):
        yield


@lru_cache(maxsize=1)
def _listen(pid: int) -> None:
    """With the first task: when it starts, Celery replaces what others have put there, and takes its own level."""
    logging.getLogger().addHandler(_Handler(logging.INFO))
    logging.getLogger("include").setLevel(logging.INFO)
    sys.stdout = _Lines(sys.stdout)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if (log := _TASK_LOG.get()) is not None:
            log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


class _Lines(TextIOBase):
    """Standard output: a task's lines go to its log, all others where they went before."""

    def __init__(self, before: Any):
        self._before = before

    def write(self, text: str) -> int:
        if (log := _TASK_LOG.get()) is None:
            return self._before.write(text)
        if line := text.rstrip():
            log.info(line, logger="task.stdout")
        return len(text)

    def flush(self) -> None:
        self._before.flush()
