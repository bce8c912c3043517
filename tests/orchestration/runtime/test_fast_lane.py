"""The fast lane does for a task what Airflow's own runner does, and says loudly when an upgrade may change that."""

import gc
import inspect
import logging
import os
import signal
import sys
import textwrap
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from types import SimpleNamespace

import airflow
import httpx
import psutil
import pytest
import structlog
from airflow import settings
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.sdk import DAG, BaseOperator
from airflow.sdk._shared import secrets_masker
from airflow.sdk.api.client import ServerResponseError
from airflow.sdk.api.datamodels._generated import (
    BundleInfo,
    DagRun,
    TaskInstance,
    TIRunContext,
    VariableResponse,
    XComResponse,
)
from airflow.sdk.definitions._internal import contextmanager
from airflow.sdk.execution_time import context, coordinator, supervisor, task_runner
from structlog.testing import LogCapture

from include.orchestration.runtime import fast_lane, task_log

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
CONNECT = fast_lane._connect
LIMITED = "do_xcom_push=False, execution_timeout=timedelta(seconds=0.2),"


class Server:
    """Airflow's execution API as a task sees it: remembers what it was calls."""

    def __init__(
        self, *, should_retry: bool = False, clears: int = 0, refuses: tuple[str, ...] = (), status: int = 409
    ):
        self.calls: list[tuple[str, dict]] = []
        self.clears, self.refuses, self.status = clears, refuses, status
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
            if name in self.refuses:
                answer = httpx.Response(
                    self.status,
                    request=httpx.Request("PUT", "http://airflow.invalid"),
                    json={"detail": {"reason": "not_running", "current_state": "failed"}},
                )
                raise ServerResponseError.from_response(answer)

        return hear

    def told(self):
        """Names of the calls after the task's list, without its heartbeats."""
        return [name for name, _ in self.calls if name not in ("start", "xcom", "heartbeat")]

    def _start(self, ti_id, pid, when):
        self.calls.append(("start", {"pid": pid}))
        now = datetime.now(UTC)
        times = dict.fromkeys(
            ("logical_date", "data_interval_start", "data_interval_end", "run_after", "start_date"), now
        )
        about = {"dag_id": "lane", "run_id": "run", "run_type": "scheduled", "state": "running"}
        run = DagRun(
            **about, **times, end_date=None, consumed_asset_events=[], partition_key=None, clear_number=self.clears
        )
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
def timers(monkeypatch):
    """The timers of the process that were set."""
    timers = []
    monkeypatch.setattr(signal, "setitimer", lambda *given: timers.append(given))
    monkeypatch.setattr(signal, "alarm", lambda *given: timers.append(given))
    return timers


@pytest.fixture(autouse=True)
def process(monkeypatch, timers):
    """What a worker's process shares between its tasks is undone, and done again by the next test."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", None, raising=False)
    monkeypatch.setattr(signal, "signal", signal.signal)
    monkeypatch.setattr(settings, "get_dagbag_import_timeout", settings.get_dagbag_import_timeout)
    monkeypatch.setattr(task_runner, "context_to_airflow_vars", task_runner.context_to_airflow_vars)
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


def test_a_task_leaves_no_descriptor_open(airflow_database, file, log):
    server = Server()
    run(server, file, log, "AAPL")
    gc.collect()
    gc.disable()
    try:
        before = psutil.Process().num_fds()
        for _ in range(3):
            assert run(server, file, log, "AAPL").final_state == "success"
        assert psutil.Process().num_fds() <= before
    finally:
        gc.enable()


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
    monkeypatch.setattr(fast_lane, "SILENT_SECONDS", 0.1)
    file.write_text(file.read_text().replace('print("printed', 'import time; time.sleep(0.5); print("printed'))
    server = Server()
    run(server, file, log, "AAPL")
    assert ("heartbeat", {"pid": os.getpid()}) in server.calls
    assert server.told() == ["succeed"]


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


HANG = """
        import pathlib, time
        for _ in range(1000):
            time.sleep(0.01)
        pathlib.Path({late!r}).touch()
"""


def hang(file, tmp_path, arguments=""):
    """Let the task hang, and then do what others would see."""
    late = tmp_path / "late"
    text = file.read_text().replace('        print("printed by " + self.name)\n', HANG.format(late=str(late)))
    text = text.replace("do_xcom_push=False,", f"do_xcom_push=False, {arguments}")
    kill = f"    def on_kill(self):\n        open({str(tmp_path / 'killed')!r}, 'w').close()\n    def execute"
    file.write_text("from datetime import timedelta\n" + text.replace("    def execute", kill))
    return late


def wait_for_threads():
    """Every task's thread has come to its end, those that were left to themselves, too."""
    for thread in threading.enumerate():
        if isinstance(thread, fast_lane.TaskThread):
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("should_retry", "state", "call"), [(False, "failed", "finish"), (True, "up_for_retry", "retry")]
)
def test_a_task_past_its_time_ends_and_its_process_lives(
    airflow_database, file, log, tmp_path, timers, should_retry, state, call
):
    late, before = hang(file, tmp_path, "execution_timeout=timedelta(seconds=0.2),"), signal.getsignal(signal.SIGALRM)
    server = Server(should_retry=should_retry)
    assert run(server, file, log, "AAPL").final_state == state
    wait_for_threads()
    assert server.told() == [call]
    assert not late.exists()
    assert (tmp_path / "killed").exists()
    assert signal.getsignal(signal.SIGALRM) is before
    assert timers == []
    (said,) = [entry for entry in log.of.entries if entry["event"] == "Task failed"]
    assert "AirflowTaskTimeout: not done after 0 s" in said["error"]


def test_a_task_within_its_time_succeeds(airflow_database, file, log, timers):
    text = file.read_text().replace(
        "do_xcom_push=False,", "do_xcom_push=False, execution_timeout=timedelta(minutes=1),"
    )
    file.write_text("from datetime import timedelta\n" + text)
    assert run(Server(), file, log, "AAPL").final_state == "success"
    assert timers == []


def test_every_task_has_a_limit(airflow_database, file, log, tmp_path, monkeypatch):
    monkeypatch.setattr(fast_lane, "LIMIT_SECONDS", 0.3)
    late = hang(file, tmp_path)
    assert run(Server(), file, log, "AAPL").final_state == "failed"
    wait_for_threads()
    assert not late.exists()


@pytest.mark.parametrize("should_retry", [False, True])
def test_what_follows_a_failure_follows_a_time_out_too(airflow_database, file, log, tmp_path, should_retry):
    told = tmp_path / "told"
    hang(file, tmp_path, "execution_timeout=timedelta(seconds=0.2), on_failure_callback=tell, on_retry_callback=tell,")
    tell = (
        "from airflow.sdk import Variable\n"
        f"def tell(context):\n    about = Variable.get('channel')\n"
        f"    open({str(told)!r}, 'w').write(str(context['exception']) + about)\n"
    )
    file.write_text(tell + file.read_text())
    server = Server(should_retry=should_retry)
    server.variables = SimpleNamespace(get=lambda key: VariableResponse(key=key, value="a channel"))
    assert run(server, file, log, "AAPL").final_state == ("up_for_retry" if should_retry else "failed")
    assert told.read_text().startswith("not done after")
    assert told.read_text().endswith("a channel"), "what it asks is answered"
    wait_for_threads()


def test_a_slow_dag_file_is_imported_and_its_process_lives(airflow_database, file, log, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT", "0.2")
    file.write_text("import time\ntime.sleep(0.5)\n" + file.read_text())
    assert run(Server(), file, log, "AAPL").final_state == "success"


def test_a_dag_file_that_hangs_fails_its_tasks_and_no_others(airflow_database, file, log, tmp_path, monkeypatch):
    run(Server(), file, log, "AAPL")
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import time\nfor _ in range(1000): time.sleep(0.01)\n" + file.read_text())
    monkeypatch.setattr(fast_lane, "LIMIT_SECONDS", 1.0)
    monkeypatch.setattr(fast_lane, "PARSE_SECONDS", 0.1)
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(run, Server(), hanging, log, "AAPL") for _ in range(2)]
        assert run(Server(), file, log, "AAPL").final_state == "success"
        assert [end.result().final_state for end in ends] == ["failed", "failed"]
    wait_for_threads()


def test_a_dag_that_cannot_be_imported_fails_its_task_and_is_tried_again(airflow_database, file, log):
    right = file.read_text()
    file.write_text("import nothing_of_that_name\n" + right)
    server = Server(should_retry=True)
    assert run(server, file, log, "AAPL").final_state == "up_for_retry"
    assert server.told() == ["retry"]
    file.write_text(right)
    assert run(server, file, log, "AAPL").final_state == "success"


@pytest.mark.parametrize("status", fast_lane.GIVEN_UP)
def test_a_task_that_was_marked_or_cleared_ends_before_it_does_more(
    airflow_database, file, log, tmp_path, monkeypatch, caplog, status
):
    monkeypatch.setattr(fast_lane, "SILENT_SECONDS", 0.1)
    late, server = hang(file, tmp_path), Server(refuses=("heartbeat", "succeed", "finish"), status=status)
    assert run(server, file, log, "AAPL").final_state == supervisor.SERVER_TERMINATED
    wait_for_threads()
    assert [name for name, _ in server.calls] == ["start", "xcom", "heartbeat"]
    assert not late.exists()
    assert (tmp_path / "killed").exists()
    (said,) = [record for record in caplog.records if "given this task up" in record.getMessage()]
    assert said.exc_info is None


@pytest.mark.parametrize("name", ["AAPL", "failing"])
def test_an_outcome_that_airflow_does_not_want_is_one_line(airflow_database, file, log, caplog, name):
    server = Server(refuses=("succeed", "finish"))
    assert run(server, file, log, name).final_state == supervisor.SERVER_TERMINATED
    assert len(server.told()) == 1
    (said,) = [record for record in caplog.records if record.levelno >= logging.WARNING and "given" in record.message]
    assert said.exc_info is None


def test_a_heartbeat_too_late_for_an_outcome_changes_nothing(airflow_database, file, log, monkeypatch):
    """Airflow has the outcome, its answer is on its way, and the heartbeat is told that the task no longer runs."""
    server, succeeding, beaten = Server(refuses=("heartbeat",)), threading.Event(), threading.Event()
    monkeypatch.setattr(fast_lane, "SILENT_SECONDS", 0.05)
    told, beat = server.task_instances.succeed, server.task_instances.heartbeat

    def heartbeat(*args, **kwargs):
        assert succeeding.wait(20)
        beaten.set()
        beat(*args, **kwargs)

    def succeed(*args, **kwargs):
        succeeding.set()
        assert beaten.wait(20)
        told(*args, **kwargs)

    server.task_instances.heartbeat, server.task_instances.succeed = heartbeat, succeed
    assert run(server, file, log, "AAPL").final_state == "success"
    assert server.told() == ["succeed"]


def test_a_heartbeat_that_fails_is_one_line_and_tried_again(airflow_database, file, log, monkeypatch, caplog):
    monkeypatch.setattr(fast_lane, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(fast_lane, "AGAIN_SECONDS", 0.05)
    file.write_text(file.read_text().replace('print("printed', 'import time; time.sleep(0.6); print("printed'))
    server = Server(refuses=("heartbeat",), status=503)
    assert run(server, file, log, "AAPL").final_state == "success"
    said = [record for record in caplog.records if "did not take the heartbeat" in record.getMessage()]
    assert len(said) == [name for name, _ in server.calls].count("heartbeat") > 1
    assert all(record.exc_info is None for record in said)


def test_threads_set_no_timers_and_no_signals_of_the_process(timers):
    fast_lane.share_process()
    with ThreadPoolExecutor(1) as pool:
        for call in (
            lambda: signal.setitimer(signal.ITIMER_REAL, 60),
            lambda: signal.alarm(60),
            lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
        ):
            with pytest.raises(ValueError, match="main thread"):
                pool.submit(call).result()
    assert timers == []


def test_a_cleared_run_asks_for_its_new_list(airflow_database, file, log):
    """A symbol that was added has a first try in a run whose other tasks have their second."""
    first, cleared = Server(), Server(clears=1)
    run(first, file, log, "AAPL")
    run(cleared, file, log, "failing")
    assert [name for name, _ in cleared.calls].count("xcom") == 1


def test_no_task_reads_in_the_environment_which_another_one_is(airflow_database, file, log, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CTX_")]:
        monkeypatch.delenv(name)
    run(Server(), file, log, "AAPL")
    assert not [name for name in os.environ if name.startswith("AIRFLOW_CTX_")]


class Stops(BaseOperator):
    def on_kill(self):
        pass


def test_what_does_not_fit_into_the_lane_is_said():
    def waits(**arguments):
        return PythonSensor(task_id="waits", python_callable=bool, **arguments)

    with DAG("lane", schedule=None, default_args={"queue": "poll"}) as dag:
        BaseOperator(task_id="fits")
        BaseOperator(task_id="elsewhere", execution_timeout=timedelta(minutes=1), queue="detect")
        BaseOperator(task_id="ends", execution_timeout=timedelta(minutes=1))
        BaseOperator.partial(task_id="ends_mapped", execution_timeout=timedelta(minutes=1)).expand(doc=["a"])
        Stops(task_id="stops", queue="short")
        waits()
    assert [line.split(" on queue ")[0] for line in fast_lane.list_unfit([dag])] == [
        "task lane.ends",
        "task lane.ends_mapped",
        "task lane.stops",
        "task lane.waits",
    ]


def test_every_call_to_airflow_has_a_time_out():
    client = CONNECT(SimpleNamespace(base_url="http://airflow.invalid/execution/", auth=None))
    assert None not in client.timeout.as_dict().values()


def test_a_task_that_waits_for_a_lock_is_left_to_itself_and_gives_it_back(
    airflow_database, file, log, tmp_path, monkeypatch
):
    """Were it interrupted there, it would keep the lock of the worker's log, and every other task would wait for it."""
    monkeypatch.setattr(fast_lane, "INTERRUPTS", 2)
    monkeypatch.setattr(fast_lane, "LOCKED", logging.Handler(), raising=False)
    wait = "from include.orchestration.runtime import fast_lane; fast_lane.LOCKED.handle(logging.makeLogRecord({}))"
    text = file.read_text().replace('print("printed', f'{wait}; open({str(tmp_path / "late")!r}, "w"); print("printed')
    file.write_text("from datetime import timedelta\n" + text.replace("do_xcom_push=False,", LIMITED))
    monkeypatch.setattr(fast_lane.LOCKED, "emit", lambda _: None)
    with fast_lane.LOCKED.lock:
        assert run(Server(), file, log, "AAPL").final_state == "failed"
    wait_for_threads()
    assert fast_lane.LOCKED.lock.acquire(timeout=20)
    fast_lane.LOCKED.lock.release()


def test_what_follows_an_end_may_fail_and_the_end_is_told(airflow_database, file, log, monkeypatch, caplog):
    def fail(*_):
        raise OSError("no listener")

    monkeypatch.setattr(fast_lane, "finalize", fail)
    server = Server()
    assert run(server, file, log, "failing").final_state == "failed"
    assert server.told() == ["finish"]
    assert "what follows its end failed" in caplog.text
