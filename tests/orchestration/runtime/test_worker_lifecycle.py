"""A worker's end and its tasks': says loudly when an Airflow upgrade changes what it relies on."""

import inspect
import json
import logging
import os
import signal
import subprocess
import sys
from itertools import count
from types import SimpleNamespace

import airflow
import pytest
import setproctitle
from airflow.sdk.execution_time import supervisor
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
from celery.signals import task_postrun

from include.orchestration.runtime import fast_lane, worker_lifecycle
from include.surveillance.errors import ConfigurationError
from tests.paths import ROOT


def test_patched_method_is_the_one_that_was_read():
    """When this fails: read the new method, measure whether it still idles after a task, adapt PATCHED_AIRFLOW."""
    assert airflow.__version__ in worker_lifecycle.PATCHED_AIRFLOW
    source = inspect.getsource(WatchedSubprocess._service_subprocess)
    assert list(inspect.signature(WatchedSubprocess._service_subprocess).parameters)[:2] == ["self", "max_wait_time"]
    assert "self.selector.select(timeout=timeout)" in source
    assert "_check_subprocess_exit" in source
    assert "self._open_sockets" in inspect.getsource(WatchedSubprocess)


def patched(monkeypatch, open_sockets):
    waited = []
    monkeypatch.setattr(
        WatchedSubprocess, "_service_subprocess", lambda self, max_wait_time, **_: waited.append(max_wait_time)
    )
    worker_lifecycle.reap_at_once()

    class Child:
        _open_sockets = open_sockets

    WatchedSubprocess._service_subprocess(Child(), max_wait_time=5.0)
    return waited


def test_ended_child_is_reaped_at_once(monkeypatch):
    assert patched(monkeypatch, {}) == [worker_lifecycle.REAP_SECONDS]


def test_running_child_is_waited_for_as_before(monkeypatch):
    assert patched(monkeypatch, {"requests": 1}) == [5.0]


def test_other_version_is_left_alone_and_said(monkeypatch, caplog):
    monkeypatch.setattr(worker_lifecycle, "airflow_version", "9.9.9")
    original = WatchedSubprocess._service_subprocess
    with caplog.at_level(logging.WARNING):
        worker_lifecycle.reap_at_once()
    assert WatchedSubprocess._service_subprocess is original
    assert "Airflow 9.9.9" in caplog.text


TITLED = """
import signal, sys, time
from setproctitle import setproctitle
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
setproctitle(sys.argv[1])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("queue", "ended"), [("detect", [42, None]), ("poll", [None, None])])
def test_a_stopping_worker_dismisses_the_tasks_that_would_stay(monkeypatch, queue, ended):
    titles = (f"{worker_lifecycle.TASK_TITLE}01a2", "something else")
    command = [sys.executable, "-c", TITLED]
    children = [subprocess.Popen([*command, title], stdout=subprocess.PIPE, text=True) for title in titles]
    try:
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
        monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--queues", queue])
        worker_lifecycle.DismissSensors(None).stop(None)
        if ended[0]:
            children[0].wait(timeout=10)
        assert [child.poll() for child in children] == ended
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()


@pytest.mark.parametrize(
    ("options", "title"),
    [(["--celery-hostname", "worker-detect@%h"], "airflow worker -- 1 (worker-detect)"), ([], "airflow worker -- 1")],
)
def test_the_processes_of_a_pool_say_whose_they_are(monkeypatch, options, title):
    titles = []
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", *options])
    monkeypatch.setattr(setproctitle, "setproctitle", titles.append)
    worker_lifecycle.name_processes()
    setproctitle.setproctitle(f"{worker_lifecycle.TASK_TITLE}1")
    assert titles == [title]


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CELERY__POOL", "threads")
    shared = []
    monkeypatch.setattr(fast_lane, "prepare", lambda: shared.append("lane"))
    monkeypatch.setattr(supervisor, "block_orm_access", lambda: shared.append("no ORM"))
    monkeypatch.setattr(setproctitle, "setproctitle", shared.append)
    return shared


def test_threads_are_for_the_fast_lane(monkeypatch, threads):
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--queues", "poll,short"])
    lanes = {"poll": "in_process", "short": "in_process"}
    monkeypatch.setenv("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", json.dumps(lanes))
    worker_lifecycle.prepare_threads()
    assert threads == ["lane", "no ORM"]
    celerys = "[celeryd: worker-poll@vm:MainProcess] -active-"
    for title in (celerys, "airflow supervisor: a task"):
        setproctitle.setproctitle(title)
    assert threads == ["lane", "no ORM", celerys], "the process keeps its title"
    assert worker_lifecycle.end_after_many_tasks in [receiver() for _, receiver in task_postrun.receivers]
    task_postrun.disconnect(worker_lifecycle.end_after_many_tasks)


def test_a_worker_with_threads_ends_once_after_so_many_tasks(monkeypatch):
    killed = []
    monkeypatch.setattr(worker_lifecycle, "_tasks_done", count(1))
    monkeypatch.setattr(worker_lifecycle, "TASKS_OF_THREADS", 3)
    monkeypatch.setattr(worker_lifecycle.os, "kill", lambda *given: killed.append(given))
    for done in range(1, 6):
        worker_lifecycle.end_after_many_tasks()
        assert len(killed) == (done >= 3)
    assert killed == [(os.getpid(), signal.SIGTERM)]


@pytest.mark.parametrize(("queues", "lanes", "version"), [("poll,short", ["poll"], "3.3.2"), ("poll", ["poll"], "9.9")])
def test_threads_would_not_fork(monkeypatch, threads, queues, lanes, version):
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--queues", queues])
    monkeypatch.setattr(worker_lifecycle, "airflow_version", version)
    monkeypatch.setenv("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", json.dumps(dict.fromkeys(lanes, "in_process")))
    with pytest.raises(ConfigurationError, match="set it to prefork"):
        worker_lifecycle.prepare_threads()
    assert not threads


IN_A_WORKER = """
import sys, threading
import tests.airflow_home
sys.argv = ["airflow", "celery", "worker", "--queues", "poll,short"]
from include.orchestration.runtime import worker_lifecycle
worker_lifecycle.prepare_threads()
from airflow.utils.session import create_session
try:
    with create_session() as session:
        print("reached")
except (RuntimeError, AttributeError) as error:
    print(f"refused: {error}")
"""


def test_tasks_of_threads_do_not_reach_airflows_own_tables():
    """In a process of its own, which it changes for good."""
    lanes = {"AIRFLOW__SDK__QUEUE_TO_COORDINATOR": '{"poll": "in_process", "short": "in_process"}'}
    command = [sys.executable, "-c", IN_A_WORKER]
    done = subprocess.run(
        command, env=os.environ | lanes, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "refused: " in done.stdout
    assert "reached" not in done.stdout


def test_a_heartbeat_that_was_sent_can_be_seen_from_outside(monkeypatch, tmp_path):
    from celery.signals import heartbeat_sent
    from celery.worker.heartbeat import Heart

    from include.orchestration.runtime import celery_warmup

    assert celery_warmup.show_heartbeat is worker_lifecycle.show_heartbeat
    monkeypatch.setattr(worker_lifecycle, "AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--celery-hostname", "worker-poll@%h"])
    events = SimpleNamespace(on_enabled=set(), on_disabled=set(), enabled=True, send=lambda *_, **__: None)
    heart = Heart(SimpleNamespace(call_repeatedly=lambda seconds, *_: seconds, cancel=lambda _: None), events)
    assert not [*tmp_path.iterdir()]
    heart.start()
    beat = tmp_path / "worker-poll.heartbeat"
    assert [*tmp_path.iterdir()] == [beat]
    os.utime(beat, (0, 0))
    heart._send("worker-heartbeat")
    assert beat.stat().st_mtime > 0
    # A check looks a minute back.
    assert heart.tref < 60
    assert heartbeat_sent.receivers
