"""The fast lane: tasks of a few milliseconds run in threads of the Celery process, without a process of their own.

Forking, parsing the DAG file and connecting anew cost a poll ten times what polling costs. Airflow hands the tasks of
a queue to a coordinator where its settings say so (``[sdk] coordinators`` and ``queue_to_coordinator``, made for
other languages); this one runs Python where it stands. Without these two settings the same tasks run as all others
do, only slower.

Threads (``[celery] pool``), because a thread that waits costs nothing: all polls of a minute can have started before
it closes, and what is left to do after the close is to poll.

What a task gives up here: a crash takes all tasks of the Celery process with it (it is started anew, Airflow retries
them), and a thread can be told to end, but not be killed. For tasks of seconds only; ``list_unfit`` says of which not.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections import UserList, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock, Thread, current_thread, local, main_thread
from time import monotonic
from typing import Any

import httpx
import psutil
from airflow import __version__ as airflow_version
from airflow import settings
from airflow.sdk._shared import secrets_masker
from airflow.sdk.api.client import Client, ServerResponseError
from airflow.sdk.api.datamodels._generated import TaskInstanceState
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.bases.sensor import BaseSensorOperator
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.definitions._internal import contextmanager as sdk_context
from airflow.sdk.exceptions import AirflowTaskTerminated, AirflowTaskTimeout
from airflow.sdk.execution_time import context as runner_context
from airflow.sdk.execution_time import coordinator, supervisor, task_runner
from airflow.sdk.execution_time.comms import (
    AwaitInputTask,
    DeferTask,
    RescheduleTask,
    RetryTask,
    SetRenderedMapIndex,
    SucceedTask,
    TaskState,
)
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, finalize, run

from include.orchestration.cancellation import CURRENT, Cancellation, check_wanted
from include.orchestration.dag_defaults import LANE
from include.orchestration.process_wide import once_per_process
from include.orchestration.runtime import task_log
from include.surveillance.settings import Settings

LOG = logging.getLogger(__name__)
# It rests on private parts of Airflow, which were read and tried in these versions only.
TESTED_AIRFLOW = ("3.3.2",)
# The longest that any task may take: what is not done by then hangs.
LIMIT_SECONDS = float(Settings.from_env().lane_limit_seconds)
# Longer than another thread may parse a DAG file.
PARSE_SECONDS = 120.0
# Airflow takes a task for dead that is silent for TASK_INSTANCE_HEARTBEAT_TIMEOUT, 45 s. A poll is over before its
# first heartbeat: one for each would be a third call to Airflow beside its first and last.
SILENT_SECONDS, AGAIN_SECONDS = 20.0, 2.0
# Modules of the standard library that take locks by calls, not by ``with``; how often, every 0.1 s, a thread is looked
# at that is in one.
WITH_LOCKS, INTERRUPTS = ("logging", "threading", "queue", "concurrent", "importlib"), 50
# What Airflow answers when somebody has marked, cleared or removed the task meanwhile.
GIVEN_UP = (404, 409, 410)
OUTCOMES = (SucceedTask, RetryTask, DeferTask, RescheduleTask, AwaitInputTask, TaskState)
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
        return self.ExecutionResult(0, getattr(state, "value", state))


class InProcessSupervisor(supervisor.InProcessTestSupervisor):
    """Answers what a task asks of Airflow without a process between, by fewer calls than usual.

    The task runs in a thread of its own. The thread that started it waits beside it: sends its heartbeats, and ends it
    when its time is over or Airflow has given it up, so that a task that hangs costs a thread and nothing else.
    """

    answers: deque[Any]
    cancellation: Cancellation
    reporting: Lock
    heard_at: float

    @classmethod
    def run(cls, what: Any, dag_rel_path: Any, bundle_info: Any, client: Any, logger: Any) -> Any:
        """Run one task from its start to its last state, and return that."""
        share_process()
        logger = task_log.fold_errors(logger)
        lane = cls(id=what.id, pid=os.getpid(), process=_own_process(), process_log=logger, client=client)
        lane.ti, lane.answers = what, deque()
        lane.cancellation, lane.reporting, lane.heard_at = Cancellation(), Lock(), monotonic()
        # Nobody waits by it, and it is a descriptor that the garbage collector alone would close.
        lane.selector.close()
        began = datetime.now(UTC)
        served = client.task_instances.start(what.id, lane.pid, began)
        lane._should_retry = served.should_retry
        with task_log.write_to(logger, what):
            source = (bundle_info.name, bundle_info.version, os.fspath(dag_rel_path))
            lane.oversee(TaskThread(lane, what, served, began, source))
        return lane.final_state

    def oversee(self, thread: TaskThread) -> None:
        """Let the thread run its task; return when Airflow knows how that ended."""
        thread.start()
        in_time = self._wait_for(thread.loaded, LIMIT_SECONDS) and self._wait_for(thread.over, thread.limit_seconds)
        if not in_time:
            self._end(thread)
        elif thread.error is not None and self._terminal_state is None:
            self._fail(thread, thread.error)
        elif thread.error is not None:
            LOG.error("task instance %s: what follows its end failed", self.id, exc_info=thread.error)
        self.update_task_state_if_needed()

    def _wait_for(self, event: Event, seconds: float) -> bool:
        """Send the task's heartbeats until the event is set, or return False: in vain, or Airflow gave the task up."""
        until = monotonic() + seconds
        while not event.wait(max(0.0, min(self.heard_at + SILENT_SECONDS, until) - monotonic())):
            if monotonic() >= until:
                return False
            self._send_heartbeat()
            if self.cancellation.is_set:
                return False
        return True

    def _send_heartbeat(self) -> None:
        try:
            # One whose outcome Airflow has may still be busy with what follows.
            if self._terminal_state not in supervisor.STATES_SENT_DIRECTLY:
                self.client.task_instances.heartbeat(self.id, pid=self.pid)
            self.heard_at = monotonic()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next heartbeat is tried
            self.heard_at = monotonic() - SILENT_SECONDS + AGAIN_SECONDS
            # The task may just be telling its outcome, after which Airflow wants no heartbeat.
            with self.reporting:
                if not self._is_given_up(error):
                    LOG.warning("task instance %s: Airflow did not take the heartbeat: %s", self.id, error)

    def _is_given_up(self, error: Exception) -> bool:
        """Whether Airflow's answer says that it wants nothing more of the task; one without an outcome is cancelled."""
        if not isinstance(error, ServerResponseError) or error.response.status_code not in GIVEN_UP:
            return False
        if self._terminal_state is None:
            why = f"Airflow has given this task up, somebody marked, cleared or removed it: {error.detail}"
            LOG.warning("task instance %s: %s", self.id, why)
            self._pending_terminal_state_msg, self._terminal_state = None, supervisor.SERVER_TERMINATED
            self.cancellation.set(AirflowTaskTerminated(why))
        return True

    def _end(self, thread: TaskThread) -> None:
        """End a task that Airflow has given up or that takes too long; what it does from now on is refused."""
        late = None
        with self.reporting:
            if self._terminal_state is None:
                limit = thread.limit_seconds if thread.loaded.is_set() else LIMIT_SECONDS
                late = AirflowTaskTimeout(f"not done after {limit:.0f} s, the longest that this task may take here")
                self.cancellation.set(late)
        thread.interrupt()
        if thread.task is not None and self.cancellation.is_set:
            try:
                thread.task.task.on_kill()
            except Exception:
                LOG.exception("task instance %s: on_kill failed", self.id)
        if late is not None:
            LOG.error(
                "Task timed out: %s.%s of %s: %s", thread.what.dag_id, thread.what.task_id, thread.what.run_id, late
            )
            self._fail(thread, late)

    def _fail(self, thread: TaskThread, why: BaseException) -> None:
        """Report the failure of a task that cannot do so itself, and run what is to follow one."""
        self.process_log.error("Task failed", error=f"{type(why).__name__}: {why}")
        now = datetime.now(UTC)
        if thread.task is None:
            failed = TaskState(state=TaskInstanceState.FAILED, end_date=now)
            self._report(RetryTask(end_date=now) if self._should_retry else failed)
            return
        with _set_supervisor(self):
            context = thread.task.get_template_context()
            context["exception"] = why
            message, state = task_runner._handle_current_task_failed(thread.task, why, self.process_log, context)
            self._report(message)
            finalize(thread.task, state, context, self.process_log, why)

    def ask(self, msg: Any) -> Any:
        """Answer what the task wants to know or do; nothing once it is cancelled.

        Raises:
            AirflowTaskTimeout, AirflowTaskTerminated: it was.
        """
        # Meanwhile nobody asks for the task: what masks a secret would send it back for ever.
        with _set_supervisor(None):
            if isinstance(msg, OUTCOMES):
                with self.reporting:
                    if not self.cancellation.is_set:
                        self._report(msg)
                return None
            check_wanted()
            self._handle_request(msg, supervisor.log, 0)
        return self.answers.popleft()

    def _report(self, outcome: Any) -> None:
        self._handle_request(outcome, supervisor.log, 0)
        # Whoever asks next must not get this one's.
        self.answers.clear()

    def send_msg(self, msg: Any, request_id: int, error: Any = None, **dump_opts: Any) -> None:
        self.answers.append(msg)

    def _handle_request(self, msg: Any, log: Any, req_id: int) -> None:
        if isinstance(msg, SetRenderedMapIndex):
            # Sent with the task's last state: one call less.
            self._rendered_map_index = msg.rendered_map_index
            self.send_msg(None, req_id)
        else:
            super()._handle_request(msg, log, req_id)

    def _send_terminal_state_msg(self, msg: Any) -> None:
        try:
            super()._send_terminal_state_msg(msg)
        except ServerResponseError as error:
            if not self._is_given_up(error):
                raise

    def update_task_state_if_needed(self) -> None:
        """Report what Airflow does not know yet."""
        try:
            super().update_task_state_if_needed()
        except ServerResponseError as error:
            self._terminal_state = None
            if not self._is_given_up(error):
                raise


class TaskThread(Thread):
    """Runs one task. A daemon: it must not keep the process when its task hangs.

    ``task``, and ``limit_seconds``, the longest that it may take, are there when ``loaded`` is set; when ``over`` is,
    ``error`` is what kept it from running at all.
    """

    def __init__(
        self,
        lane: InProcessSupervisor,
        what: Any,
        served: Any,
        began: datetime,
        source: tuple[str, str | None, str],
    ):
        super().__init__(daemon=True)
        self.loaded, self.over = Event(), Event()
        self.task: InProcessTask | None = None
        self.limit_seconds = LIMIT_SECONDS
        self.error: BaseException | None = None
        self.what = what
        self._lane, self._served, self._began, self._source = lane, served, began, source
        self._context = copy_context()

    def run(self) -> None:
        try:
            self._context.run(self._run_task)
        except BaseException as error:  # noqa: BLE001 - the thread beside reports it
            self.error = error
        finally:
            self.loaded.set()
            self.over.set()

    def interrupt(self) -> None:
        """Raise AirflowTaskTerminated in the thread when it comes to its next line of Python.

        Not where it takes a lock that it would never give back, for which other tasks would wait then: it is waited
        for until it has left there, or left to itself.
        """
        for _ in range(INTERRUPTS):
            frame = sys._current_frames().get(self.ident or 0)
            if frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] not in WITH_LOCKS:
                terminated = ctypes.py_object(AirflowTaskTerminated)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident or 0), terminated)
                return
            if self.over.wait(0.1):
                return

    def _run_task(self) -> None:
        CURRENT.set(self._lane.cancellation)
        _SUPERVISOR.set(self._lane)
        what, logger = self.what, self._lane.process_log
        dag, bundle = _load_dag(*self._source, what.dag_id)
        task = InProcessTask.model_construct(
            **what.model_dump(exclude_unset=True),
            task=dag.task_dict[what.task_id],
            bundle_instance=bundle,
            _ti_context_from_server=self._served,
            max_tries=self._served.max_tries,
            start_date=self._served.start_date or self._began,
            state=TaskInstanceState.RUNNING,
            sentry_integration="",
        )
        if limit := task.task.execution_timeout:
            self.limit_seconds = min(limit.total_seconds(), LIMIT_SECONDS)
        self.task = task
        self.loaded.set()
        context = task.get_template_context()
        state, _, error = run(task, context, logger)
        if self._lane.cancellation.is_set:
            return
        context["exception"] = error
        finalize(task, state, context, logger, error)


class InProcessTask(RuntimeTaskInstance):
    """Shares the list that its run is mapped over with the next task instance in this process."""

    def xcom_pull(self, *args: Any, **kwargs: Any) -> Any:
        # What another task has returned as a whole is final; what it pushes under other keys may still come or change.
        if kwargs.get("key") != BaseXCom.XCOM_RETURN_KEY or kwargs.get("map_indexes", ()) is not None:
            return super().xcom_pull(*args, **kwargs)
        # All mapped tasks of a run ask for the one list that they are mapped over, and to read hundreds of entries
        # costs a seventh of a poll. A run that was cleared may have another list, and asks anew.
        clears = self._ti_context_from_server.dag_run.clear_number if self._ti_context_from_server else 0
        asked = (self.dag_id, self.run_id, clears, self.try_number, repr(kwargs))
        with _XCOM_LOCK:
            if asked not in _XCOMS:
                if len(_XCOMS) >= RUNS_AT_ONCE:
                    _XCOMS.clear()
                _XCOMS[asked] = super().xcom_pull(**kwargs)
            return _XCOMS[asked]


_SUPERVISOR: ContextVar[InProcessSupervisor | None] = ContextVar("supervisor", default=None)
_XCOM_LOCK, _XCOMS = Lock(), dict[tuple[Any, ...], Any]()
_PARSING, _DAGS = Lock(), dict[tuple[str, str | None, str], tuple[int | None, Any, Any]]()


def _load_dag(bundle_name: str, version: str | None, path: str, dag_id: str) -> tuple[Any, Any]:
    """Return the DAG and its bundle; parse its file again when that has changed."""
    source = (bundle_name, version, path)
    parsed_at, bag, bundle = _DAGS.get(source, (None, None, None))
    if bundle is None or _changed_at(bundle, path) != parsed_at:
        # One file at a time: Airflow keeps the DAG that is being made in one place. Who waits must not hang with it.
        if not _PARSING.acquire(timeout=PARSE_SECONDS):
            raise AirflowTaskTimeout(f"DAG file {path}: another one is being parsed since {PARSE_SECONDS:.0f} s")
        try:
            bag, bundle = _parse(source)
        finally:
            _PARSING.release()
    if dag_id not in bag.dags:
        raise LookupError(f"DAG file {path} has no DAG {dag_id}: {bag.import_errors or 'correct its file'}")
    return bag.dags[dag_id], bundle


def _parse(source: tuple[str, str | None, str]) -> tuple[Any, Any]:
    # These read Airflow's settings when they are imported.
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag

    name, version, path = source
    parsed_at, bag, bundle = _DAGS.get(source, (None, None, None))
    if bundle is None:
        bundle = DagBundlesManager().get_bundle(name=name, version=version)
        bundle.initialize()
    changed_at = _changed_at(bundle, path)
    if bag is None or parsed_at != changed_at:
        file = os.fspath(Path(bundle.path, path))
        bag = BundleDagBag(
            dag_folder=file, safe_mode=False, load_op_links=False, bundle_path=bundle.path, bundle_name=name
        )
        for unfit in list_unfit(bag.dags.values()):
            LOG.error("%s", unfit)
        if not bag.import_errors:
            _DAGS[source] = changed_at, bag, bundle
    return bag, bundle


def _changed_at(bundle: Any, path: str) -> int:
    return Path(bundle.path, path).stat().st_mtime_ns


def prepare() -> None:
    """Make what all tasks of this process share before the first of them come, hundreds in the same second."""
    share_process()
    _own_process()
    # Reads the certificates, which Airflow keeps.
    Client(base_url="http://execution.invalid", token="", transport=_calls()).close()


@once_per_process
def share_process() -> None:
    """Make each thread's own what Airflow's runner keeps once a process, as it has one for each task."""
    # Stand-ins with the few methods that the runner calls.
    task_runner.SUPERVISOR_COMMS = _Comms()  # type: ignore[assignment]
    sdk_context._CURRENT_CONTEXT = runner_context._CURRENT_CONTEXT = _Contexts()  # type: ignore[assignment]
    # A task sets a handler of SIGTERM for its process; here it is Celery's. Any other that a thread wants to set Python
    # refuses, and Airflow does without. Timers Python allows, though they are the process's: one would end all tasks.
    set_handler: Any = signal.signal

    def set_own_handler(number: int, handler: Any) -> Any:
        if number == signal.SIGTERM and _SUPERVISOR.get() is not None:
            return signal.getsignal(number)
        return set_handler(number, handler)

    signal.signal = set_own_handler  # type: ignore[assignment]
    signal.setitimer = _for_main_thread(signal.setitimer)
    signal.alarm = _for_main_thread(signal.alarm)
    # Here the task's own limit ends an import, too.
    settings.get_dagbag_import_timeout = lambda dag_file_path: 0
    # The environment is the process's, too: a task would read there which task another one is.
    task_runner.context_to_airflow_vars = lambda *_, **__: {}
    # Secrets of one task stay masked when the next one begins.
    secrets_masker.reset_secrets_masker = lambda: None


def _for_main_thread(call: Callable[..., Any]) -> Callable[..., Any]:
    def refuse_elsewhere(*given: Any) -> Any:
        if current_thread() is not main_thread():
            raise ValueError(f"{call.__name__} works in the main thread only: it would end every task of this process")
        return call(*given)

    return refuse_elsewhere


def list_unfit(dags: Iterable[Any]) -> list[str]:
    """Say, one line each, which tasks of the lane's queues cannot be what they want to be in a thread, and why."""
    unfit = []
    for task in (task for dag in dags for task in dag.tasks if task.queue in LANE):
        operator, arguments = getattr(task, "operator_class", type(task)), getattr(task, "partial_kwargs", vars(task))
        waits = issubclass(operator, BaseSensorOperator) and not arguments.get("deferrable")
        for found, why in (
            (task.execution_timeout, f"an execution_timeout; the lane ends every task after {LIMIT_SECONDS:.0f} s"),
            (waits, "a wait without a bound; defer it, or use another queue"),
            # What defers itself is here for moments.
            (
                operator.on_kill is not BaseOperator.on_kill and not arguments.get("deferrable"),
                "an on_kill; a worker that ends does not call it, so use another queue",
            ),
        ):
            if found:
                unfit.append(f"task {task.dag_id}.{task.task_id} on queue {task.queue} has {why}")
    return unfit


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
    connected = Client(base_url=str(client.base_url), token="", transport=_calls())
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


_calls = once_per_process(Calls)
_own_process = once_per_process(psutil.Process)
