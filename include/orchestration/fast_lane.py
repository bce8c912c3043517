"""The fast lane: tasks of a few milliseconds run inside the Celery process, without a process of their own.

Forking, parsing the DAG file and connecting anew cost a poll ten times what polling costs. Airflow hands the tasks of
a queue to a coordinator where its settings say so (``[sdk] coordinators`` and ``queue_to_coordinator``, made for
other languages); this one runs Python where it stands. Without these two settings the same tasks run as all others
do, only slower.

What a task gives up here: a crash takes the Celery process with it (Celery starts another, Airflow retries the task),
and nobody can stop it while it runs. For tasks of seconds only.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import UTC, datetime
from functools import lru_cache
from io import TextIOBase
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, sleep
from typing import Any

import psutil
from airflow import __version__ as airflow_version
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time import coordinator, supervisor
from airflow.sdk.execution_time.comms import SetRenderedMapIndex
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance, finalize, run
from structlog.contextvars import bound_contextvars

LOG = logging.getLogger(__name__)
# It rests on private parts of Airflow, which were read and tried in these versions only.
TESTED_AIRFLOW = ("3.3.2",)
# Airflow takes a task for dead that is silent for TASK_INSTANCE_HEARTBEAT_TIMEOUT.
HEARTBEAT_SECONDS = 10.0


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

        heart = _heart(os.getpid())
        overseer = cls(id=what.id, pid=os.getpid(), process=heart.process, process_log=logger, client=client)
        overseer.comms = supervisor.InProcessSupervisorComms(supervisor=overseer)
        overseer.ti = what
        began = datetime.now(UTC)
        served = client.task_instances.start(what.id, overseer.pid, began)
        overseer._should_retry = served.should_retry
        with ExitStack() as during:
            during.enter_context(supervisor.set_supervisor_comms(overseer.comms))
            during.enter_context(heart.beating(overseer))
            during.enter_context(_logging_to(logger, what))
            during.enter_context(_signals_kept())
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
        if asked not in _PULLED:
            value = super().xcom_pull(**kwargs)
            _PULLED.clear()
            _PULLED[asked] = value
        return _PULLED[asked]


_PULLED: dict[tuple[Any, ...], Any] = {}
_PARSED: dict[tuple[str, str | None, str], tuple[int, Any, Any]] = {}


def _dag(bundle_name: str, version: str | None, path: str, dag_id: str) -> tuple[Any, Any]:
    """The DAG and its bundle; parsed again when its file has changed."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag

    place = (bundle_name, version, path)
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


def _connected(client: Any) -> Any:
    """A client that keeps its connection from task to task, with this task's token."""
    kept = _kept(str(client.base_url))
    kept.auth = client.auth
    return kept


@lru_cache(maxsize=1)
def _kept(base_url: str) -> Any:
    from airflow.sdk.api.client import Client

    return Client(base_url=base_url, token="")


class Heart:
    """Of a process that runs one task after the other: tells Airflow now and then that the one of the moment lives."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self._overseer: InProcessSupervisor | None = None
        self._beats = Lock()
        Thread(target=self._beat, daemon=True).start()

    @contextmanager
    def beating(self, overseer: InProcessSupervisor) -> Iterator[None]:
        with self._beats:
            self._overseer, self._begun = overseer, monotonic()
        try:
            yield
        finally:
            # Waits for a beat on its way: the next call is for another state.
            with self._beats:
                self._overseer = None

    def _beat(self) -> None:
        while True:
            sleep(HEARTBEAT_SECONDS)
            with self._beats:
                overseer = self._overseer
                if overseer is None or monotonic() - self._begun < HEARTBEAT_SECONDS / 2:
                    continue
                try:
                    overseer.client.task_instances.heartbeat(overseer.id, pid=overseer.pid)
                except Exception:
                    LOG.warning("task instance %s: Airflow did not take the heartbeat", overseer.id, exc_info=True)


@lru_cache(maxsize=1)
def _heart(pid: int) -> Heart:
    """This process's own: threads do not live on in a fork."""
    return Heart()


@contextmanager
def _logging_to(log: Any, what: Any) -> Iterator[None]:
    """What is logged or printed meanwhile stands in the task's log."""
    root, handler = logging.getLogger(), _Handler(log)
    about = {"dag_id": what.dag_id, "run_id": what.run_id, "task_id": what.task_id, "map_index": what.map_index}
    with bound_contextvars(ti_id=str(what.id), try_number=what.try_number, **about), redirect_stdout(_Lines(log)):
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, log: Any):
        super().__init__(logging.INFO)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


class _Lines(TextIOBase):
    def __init__(self, log: Any):
        self._log = log

    def write(self, text: str) -> int:
        if line := text.rstrip():
            self._log.info(line, logger="task.stdout")
        return len(text)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """The task runner takes SIGTERM for its process; this one is Celery's."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
