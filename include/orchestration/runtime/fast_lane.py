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
from collections import UserList, deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from threading import BoundedSemaphore, Lock, local
from typing import Any

import httpx
from airflow import __version__ as airflow_version
from airflow.sdk._shared import secrets_masker
from airflow.sdk.api.client import Client
from airflow.sdk.api.datamodels._generated import TaskInstanceState
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.definitions._internal import contextmanager as sdk_context
from airflow.sdk.execution_time import context as runner_context
from airflow.sdk.execution_time import coordinator, supervisor, task_runner
from airflow.sdk.execution_time.comms import SetRenderedMapIndex
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, finalize, run

from include.orchestration.runtime import task_log
from include.orchestration.runtime.heartbeats import process_heart

LOG = logging.getLogger(__name__)
# It rests on private parts of Airflow, which were read and tried in these versions only.
TESTED_AIRFLOW = ("3.3.2",)
# To Airflow at a time, of all tasks of a process.
CALLS_AT_ONCE = 16
# Whose lists are kept.
RUNS_AT_ONCE = 8


class InProcessCoordinator(coordinator.BaseCoordinator):
    """Runs a task in the process that calls it; in an Airflow that it was not tried with, as usual."""

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
        state = InProcessSupervisor.run(what, dag_rel_path, bundle_info, _connect(client), logger)
        return self.ExecutionResult(0, state.value)


class InProcessSupervisor(supervisor.InProcessTestSupervisor):
    """Answers what a task asks of Airflow without a process between, by fewer calls than usual."""

    answers: deque[Any]

    @classmethod
    def run(cls, what: Any, dag_rel_path: Any, bundle_info: Any, client: Any, logger: Any) -> Any:
        """Run one task from its start to its last state, and return that."""
        share_process()
        heart = process_heart(os.getpid())
        lane = cls(id=what.id, pid=os.getpid(), process=heart.process, process_log=logger, client=client)
        lane.ti, lane.answers = what, deque()
        began = datetime.now(UTC)
        served = client.task_instances.start(what.id, lane.pid, began)
        lane._should_retry = served.should_retry
        with _set_supervisor(lane), heart.beat(lane), task_log.write_to(logger, what):
            dag, bundle = _load_dag(bundle_info.name, bundle_info.version, os.fspath(dag_rel_path), what.dag_id)
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
            lane.update_task_state_if_needed()
        return state

    def ask(self, msg: Any) -> Any:
        """Answer what the task wants to know or do."""
        # Meanwhile nobody asks for the task: what masks a secret would send it back for ever.
        with _set_supervisor(None):
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
    """Shares the list that its run is mapped over with the next task instance in this process."""

    def xcom_pull(self, *args: Any, **kwargs: Any) -> Any:
        # What another task has returned as a whole is final; what it pushes under other keys may still come or change.
        if kwargs.get("key") != BaseXCom.XCOM_RETURN_KEY or kwargs.get("map_indexes", ()) is not None:
            return super().xcom_pull(*args, **kwargs)
        # All mapped tasks of a run ask for the one list that they are mapped over, and to read hundreds of entries
        # costs a seventh of a poll. Tries of a run that was cleared ask anew.
        asked = (self.dag_id, self.run_id, self.try_number, repr(kwargs))
        with _XCOM_LOCK:
            if asked not in _XCOMS:
                if len(_XCOMS) >= RUNS_AT_ONCE:
                    _XCOMS.clear()
                _XCOMS[asked] = super().xcom_pull(**kwargs)
            return _XCOMS[asked]


_SUPERVISOR: ContextVar[InProcessSupervisor | None] = ContextVar("supervisor", default=None)
_XCOM_LOCK, _XCOMS = Lock(), dict[tuple[Any, ...], Any]()
_DAG_LOCK, _DAGS = Lock(), dict[tuple[str, str | None, str], tuple[int, Any, Any]]()


def _load_dag(bundle_name: str, version: str | None, path: str, dag_id: str) -> tuple[Any, Any]:
    """Return the DAG and its bundle; parse its file again when that has changed."""
    # These read Airflow's settings when they are imported.
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag

    source = (bundle_name, version, path)
    with _DAG_LOCK:
        parsed_at, bag, bundle = _DAGS.get(source, (None, None, None))
        if bundle is None:
            bundle = DagBundlesManager().get_bundle(name=bundle_name, version=version)
            bundle.initialize()
        file = Path(bundle.path, path)
        changed_at = file.stat().st_mtime_ns
        if bag is None or parsed_at != changed_at:
            bag = BundleDagBag(
                dag_folder=os.fspath(file),
                safe_mode=False,
                load_op_links=False,
                bundle_path=bundle.path,
                bundle_name=bundle_name,
            )
            _DAGS[source] = changed_at, bag, bundle
        return bag.dags[dag_id], bundle


@lru_cache(maxsize=1)
def share_process() -> None:
    """Make each thread's own what Airflow's runner keeps once a process, as it has one for each task."""
    # Stand-ins with the few methods that the runner calls.
    task_runner.SUPERVISOR_COMMS = _Comms()  # type: ignore[assignment]
    sdk_context._CURRENT_CONTEXT = runner_context._CURRENT_CONTEXT = _Contexts()  # type: ignore[assignment]
    # A task sets a handler of SIGTERM for its process; here it is Celery's, and only the main thread could set one.
    set_handler = signal.signal
    signal.signal = lambda *given: set_handler(*given) if _SUPERVISOR.get() is None else None
    # Secrets of one task stay masked when the next one begins.
    secrets_masker.reset_secrets_masker = lambda: None


class _Comms:
    """Passes a task's message to the supervisor of its thread."""

    def send(self, msg: Any) -> Any:
        if (lane := _SUPERVISOR.get()) is None:
            raise RuntimeError(f"{type(msg).__name__}: no task runs in this thread that Airflow could be asked for")
        return lane.ask(msg)

    async def asend(self, msg: Any) -> Any:
        return self.send(msg)


class _Contexts(local, UserList[Any]):
    """Each thread's own stack of contexts, of tasks that run in one another."""


@contextmanager
def _set_supervisor(lane: InProcessSupervisor | None) -> Iterator[None]:
    before = _SUPERVISOR.set(lane)
    try:
        yield
    finally:
        _SUPERVISOR.reset(before)


def _connect(client: Client) -> Client:
    """Make a client with this task's token over the connections of all tasks."""
    connected = Client(base_url=str(client.base_url), token="", transport=_process_calls(os.getpid()))
    connected.auth = client.auth  # type: ignore[assignment]  # httpx types what it gives unlike what it takes
    return connected


class Calls(httpx.HTTPTransport):
    """Keeps connections to Airflow from task to task."""

    def __init__(self) -> None:
        # The server closes those that have been idle for 5 s.
        super().__init__(limits=httpx.Limits(max_keepalive_connections=CALLS_AT_ONCE, keepalive_expiry=3.0))
        self._free = BoundedSemaphore(CALLS_AT_ONCE)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._free:
            return super().handle_request(request)


@lru_cache(maxsize=1)
def _process_calls(pid: int) -> Calls:
    """The connections of process ``pid``, this one: they do not live on in a fork."""
    return Calls()
