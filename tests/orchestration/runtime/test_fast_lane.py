"""The fast lane does for a task what Airflow's own runner does, and says loudly when an upgrade may change that."""

import inspect
import logging
import os
import signal
import sys
import textwrap
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from types import SimpleNamespace

import airflow
import pytest
import structlog
from airflow.sdk._shared import secrets_masker
from airflow.sdk.api.datamodels._generated import BundleInfo, DagRun, TaskInstance, TIRunContext, XComResponse
from airflow.sdk.definitions._internal import contextmanager
from airflow.sdk.execution_time import context, coordinator, supervisor, task_runner
from structlog.testing import LogCapture

from include.orchestration.runtime import fast_lane, heartbeats, task_log

FILE = """
import logging
from airflow.sdk import DAG, BaseOperator, task
from airflow.sdk.exceptions import AirflowSkipException

class Ask(BaseOperator):
    template_fields = ()
    def __init__(self, *, name, **kwargs):
        super().__init__(**kwargs)
        self.name = name
    def execute(self, context):
        print("printed by " + self.name)
        logging.getLogger("include.polling").info("logged by %s", self.name)
        if self.name == "skipped":
            raise AirflowSkipException("nothing to do")
        if self.name == "failing":
            raise ValueError("no answer")

with DAG("lane") as dag:
    @task
    def plan():
        return []
    Ask.partial(task_id="ask", do_xcom_push=False, map_index_template="{{ task.name }}").expand_kwargs(plan())
"""
NAMES = ["AAPL", "skipped", "failing"]


class Server:
    """Airflow's execution API as a task sees it: remembers what it was calls."""

    def __init__(self, *, should_retry: bool = False):
        self.calls: list[tuple[str, dict]] = []
        self.base_url, self.auth, self.should_retry = "http://airflow.invalid/execution/", object(), should_retry
        self.task_instances = SimpleNamespace(
            start=self._start,
            **{
                name: self._hear(name) for name in ("succeed", "finish", "retry", "heartbeat", "set_rendered_map_index")
            },
        )
        self.xcoms = SimpleNamespace(get=self._xcom)

    def _hear(self, name):
        def hear(*args, **kwargs):
            self.calls.append((name, kwargs))

        return hear

    def _start(self, ti_id, pid, when):
        self.calls.append(("start", {"pid": pid}))
        now = datetime.now(UTC)
        times = dict.fromkeys(
            ("logical_date", "data_interval_start", "data_interval_end", "run_after", "start_date"), now
        )
        about = {"dag_id": "lane", "run_id": "run", "run_type": "scheduled", "state": "running"}
        run = DagRun(**about, **times, end_date=None, consumed_asset_events=[], partition_key=None)
        return TIRunContext(dag_run=run, max_tries=1, should_retry=self.should_retry)

    def _xcom(self, dag_id, run_id, task_id, key, map_index, include_prior_dates):
        self.calls.append(("xcom", {}))
        return XComResponse(key=key, value=[{"name": name} for name in NAMES])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "lane.py"
    path.write_text(textwrap.dedent(FILE))
    return path


@pytest.fixture
def log():
    capture = LogCapture()
    return SimpleNamespace(
        to=structlog.wrap_logger(None, processors=[capture], wrapper_class=structlog.stdlib.BoundLogger), of=capture
    )


@pytest.fixture(autouse=True)
def one_client(monkeypatch):
    monkeypatch.setattr(fast_lane, "_connect", lambda client: client)
    fast_lane._XCOMS.clear()


@pytest.fixture(autouse=True)
def process(monkeypatch):
    """What a worker's process shares between its tasks is undone, and done again by the next test."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)
    monkeypatch.setattr(signal, "signal", signal.signal)
    for module in (contextmanager, context):
        monkeypatch.setattr(module, "_CURRENT_CONTEXT", [])
    monkeypatch.setattr(secrets_masker, "reset_secrets_masker", secrets_masker.reset_secrets_masker)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    handlers, level = [*logging.getLogger().handlers], logging.getLogger().level
    fast_lane.share_process.cache_clear()
    task_log._attach.cache_clear()
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.getLogger("include").setLevel(logging.NOTSET)


def run(server, file, log, name, try_number=1):
    what = TaskInstance(
        id=uuid.uuid4(), task_id="ask", dag_id="lane", run_id="run", try_number=try_number, map_index=NAMES.index(name),
        dag_version_id=uuid.uuid4(), queue="poll",
    )  # fmt: skip
    return fast_lane.InProcessCoordinator().execute_task(
        what=what,
        dag_rel_path=file,
        bundle_info=BundleInfo(name="dags-folder", version=None),
        client=server,
        logger=log.to,
        subprocess_logs_to_stdout=False,
    )


def test_private_parts_are_those_that_were_read():
    """When this fails: read the classes anew, run `make bench`, adapt TESTED_AIRFLOW; until then tasks are forked."""
    assert airflow.__version__ in fast_lane.TESTED_AIRFLOW
    assert "client.task_instances.start" in inspect.getsource(supervisor.InProcessTestSupervisor.start)
    assert "what" in inspect.signature(coordinator.BaseCoordinator.execute_task).parameters


def test_success_is_told_with_the_name_and_by_two_calls_after_the_list(airflow_database, file, log):
    server = Server()
    result = run(server, file, log, "AAPL")
    assert (result.exit_code, result.final_state) == (0, "success")
    assert [name for name, _ in server.calls] == ["start", "xcom", "succeed"]
    assert server.calls[-1][1]["rendered_map_index"] == "AAPL"
    assert server.calls[0][1]["pid"] == os.getpid()


def test_the_list_is_asked_for_once_a_run_and_anew_for_another_try(airflow_database, file, log):
    server = Server()
    for try_number in (1, 1, 2):
        run(server, file, log, "AAPL", try_number)
    assert [name for name, _ in server.calls].count("xcom") == 2


def test_what_may_still_change_is_asked_for_each_time(monkeypatch):
    asked = []
    monkeypatch.setattr(fast_lane.RuntimeTaskInstance, "xcom_pull", lambda self, *a, **given: asked.append(given))
    task = fast_lane.InProcessTask.model_construct(dag_id="lane", run_id="run", try_number=1)
    for given in ({"key": "return_value", "map_indexes": None}, {"key": "status", "map_indexes": None}, {}):
        asked.clear()
        task.xcom_pull(task_ids="before", **given)
        task.xcom_pull(task_ids="before", **given)
        assert len(asked) == (1 if given.get("key") == "return_value" else 2)


def test_failure_without_a_retry_is_told_by_name(airflow_database, file, log):
    server = Server()
    assert run(server, file, log, "failing").final_state == "failed"
    name, said = server.calls[-1]
    assert (name, said["state"], said["rendered_map_index"]) == ("finish", "failed", "failing")
    assert "Task failed with exception" in [entry["event"] for entry in log.of.entries]


def test_failure_with_a_retry_left_is_retried(airflow_database, file, log):
    server = Server(should_retry=True)
    assert run(server, file, log, "failing").final_state == "up_for_retry"
    assert server.calls[-1][0] == "retry"


def test_a_skipped_task_is_skipped(airflow_database, file, log):
    server = Server()
    assert run(server, file, log, "skipped").final_state == "skipped"
    assert server.calls[-1][1]["state"] == "skipped"


def test_what_is_printed_and_logged_stands_in_the_task_log(airflow_database, file, log):
    fast_lane.share_process()
    # As Celery does when it starts, after the warm-up.
    logging.getLogger().handlers.clear()
    logging.getLogger().setLevel(logging.WARNING)
    run(Server(), file, log, "AAPL")
    events = [entry["event"] for entry in log.of.entries]
    assert {"printed by AAPL", "logged by AAPL"} <= set(events)
    logging.getLogger("include.polling").warning("afterwards")
    assert "afterwards" not in [entry["event"] for entry in log.of.entries]


def test_a_changed_file_is_parsed_again_and_only_then(airflow_database, file, log):
    for text in ("printed by", "printed by", "said by"):
        file.write_text(file.read_text().replace("printed by", text))
        before = fast_lane._DAGS.get(("dags-folder", None, str(file)))
        run(Server(), file, log, "AAPL")
    assert before is not fast_lane._DAGS["dags-folder", None, str(file)]
    assert "said by AAPL" in [entry["event"] for entry in log.of.entries]


def test_the_process_keeps_its_own_signals(airflow_database, file, log):
    before = signal.getsignal(signal.SIGTERM)
    run(Server(), file, log, "failing")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_long_task_is_heard_of(airflow_database, file, log, monkeypatch):
    heartbeats.process_heart.cache_clear()
    monkeypatch.setattr(heartbeats, "SILENT_SECONDS", 0.1)
    monkeypatch.setattr(heartbeats, "LOOK_SECONDS", 0.05)
    file.write_text(file.read_text().replace('print("printed', 'import time; time.sleep(0.5); print("printed'))
    server = Server()
    run(server, file, log, "AAPL")
    assert ("heartbeat", {"pid": os.getpid()}) in server.calls
    assert server.calls[-1][0] == "succeed"


def test_another_airflow_runs_tasks_in_their_own_processes_and_says_so(monkeypatch, caplog):
    monkeypatch.setattr(fast_lane, "airflow_version", "9.9.9")
    asked = []
    monkeypatch.setattr(coordinator._PythonCoordinator, "execute_task", lambda self, **given: asked.append(given))
    with caplog.at_level(logging.WARNING):
        fast_lane.InProcessCoordinator().execute_task(what=1, dag_rel_path="x", bundle_info=2, client=3)
    assert asked[0]["what"] == 1
    assert "Airflow 9.9.9" in caplog.text


def test_tasks_of_many_threads_do_not_mix(airflow_database, file, monkeypatch):
    """Each has its own log, its own context, its own outcome; all start before the first ends."""
    monkeypatch.setattr(fast_lane, "EVERYONE", Barrier(len(NAMES) * 4, timeout=20), raising=False)
    meet = "from include.orchestration.runtime import fast_lane; fast_lane.EVERYONE.wait()"
    file.write_text(
        file.read_text()
        .replace('print("printed', f'{meet}; print("printed')
        .replace("from airflow.sdk import DAG", "from airflow.sdk import get_current_context, DAG")
        .replace('raise ValueError("no answer")', 'raise ValueError(get_current_context()["ti"].map_index)')
    )

    def one(name):
        capture, server = LogCapture(), Server()
        wrapped = structlog.wrap_logger(None, processors=[capture], wrapper_class=structlog.stdlib.BoundLogger)
        state = run(server, file, SimpleNamespace(to=wrapped), name).final_state
        said = [entry["event"] for entry in capture.entries if str(entry["event"]).startswith(("printed", "logged"))]
        return name, state, said, server.calls[-1][1]["rendered_map_index"]

    with ThreadPoolExecutor(len(NAMES) * 4) as pool:
        outcomes = list(pool.map(one, NAMES * 4))
    states = {"AAPL": "success", "skipped": "skipped", "failing": "failed"}
    assert outcomes == [(name, states[name], [f"printed by {name}", f"logged by {name}"], name) for name in NAMES * 4]


def test_outside_of_tasks_there_is_nobody_to_ask():
    fast_lane.share_process()
    with pytest.raises(RuntimeError, match="no task runs in this thread"):
        task_runner.SUPERVISOR_COMMS.send(object())


def test_a_secret_stays_masked_when_the_next_task_begins():
    fast_lane.share_process()
    secrets_masker.mask_secret("a-long-secret")
    from airflow.sdk._shared.secrets_masker import reset_secrets_masker

    reset_secrets_masker()
    assert secrets_masker.redact("a-long-secret") == "***"
