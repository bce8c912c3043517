"""The worker's warm-up: says loudly when an Airflow upgrade changes what it relies on."""

import gc
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
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
from celery.signals import task_postrun

from include.orchestration.runtime import celery_warmup, fast_lane
from include.surveillance.errors import ConfigurationError


@pytest.fixture(autouse=True)
def any_queue(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker"])


def test_patched_method_is_the_one_that_was_read():
    """When this fails: read the new method, measure whether it still idles after a task, adapt PATCHED_AIRFLOW."""
    assert airflow.__version__ in celery_warmup.PATCHED_AIRFLOW
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
    celery_warmup.reap_at_once()

    class Child:
        _open_sockets = open_sockets

    WatchedSubprocess._service_subprocess(Child(), max_wait_time=5.0)
    return waited


def test_ended_child_is_reaped_at_once(monkeypatch):
    assert patched(monkeypatch, {}) == [celery_warmup.REAP_SECONDS]


def test_running_child_is_waited_for_as_before(monkeypatch):
    assert patched(monkeypatch, {"requests": 1}) == [5.0]


def test_other_version_is_left_alone_and_said(monkeypatch, caplog):
    monkeypatch.setattr(celery_warmup, "airflow_version", "9.9.9")
    original = WatchedSubprocess._service_subprocess
    with caplog.at_level(logging.WARNING):
        celery_warmup.reap_at_once()
    assert WatchedSubprocess._service_subprocess is original
    assert "Airflow 9.9.9" in caplog.text


def test_broken_optional_preload_is_logged_and_the_worker_starts(monkeypatch, caplog):
    monkeypatch.setattr(celery_warmup, "NEEDED", ())
    monkeypatch.setattr(celery_warmup, "USEFUL", ("no_such_module", "json"))
    celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
    assert "could not preload no_such_module" in caplog.text


def test_unreadable_parameters_are_logged_and_the_worker_starts(monkeypatch, caplog):
    monkeypatch.setattr(celery_warmup, "NEEDED", ())
    monkeypatch.setattr(celery_warmup, "USEFUL", ())
    monkeypatch.setenv("PARAMETERS_FILE", "/nowhere.yaml")
    celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
    assert "could not warm detection up" in caplog.text
    assert "/nowhere.yaml" in caplog.text


@pytest.mark.parametrize("calendar", ["XNYS", "24/7"])
def test_after_the_warm_up_detection_compiles_and_loads_nothing_more(calendar):
    """In a process of its own: another run over other bars finds every kernel that it calls."""
    code = f"""
from numba.core import event
from include.surveillance.live import warm_up
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.sessions import Sessions
sessions, book = Sessions({calendar!r}), ParameterBook.default()
warm_up.warm_up(sessions, book)
with event.install_recorder("numba:compile") as recorder:
    warm_up.BARS = 90
    warm_up.warm_up(sessions, book)
assert not recorder.buffer, recorder.buffer
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_everything_named_exists():
    """In a process of its own: the real list, with an error in any entry making it fail."""
    code = (
        "import airflow, importlib; from include.orchestration.runtime.celery_warmup import NEEDED, USEFUL\n"
        "for name in (*NEEDED, *USEFUL): importlib.import_module(name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("line", "warehouse", "detect"),
    [
        (["airflow", "celery", "worker", "--queues", "poll"], False, False),
        (["airflow", "celery", "worker", "-q", "default,warehouse"], True, False),
        (["airflow", "celery", "worker", "--queues", "detect", "--concurrency", "6"], False, True),
        (["airflow", "celery", "worker"], True, True),
    ],
)
def test_a_worker_preloads_what_its_queues_need(monkeypatch, line, warehouse, detect):
    warmed = []
    monkeypatch.setattr(celery_warmup, "NEEDED", ())
    monkeypatch.setattr(celery_warmup, "USEFUL", ("useful",))
    monkeypatch.setattr(celery_warmup.importlib, "import_module", warmed.append)
    monkeypatch.setattr(celery_warmup, "_warm", lambda what, work: warmed.append(what))
    monkeypatch.setattr(sys, "argv", line)
    celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
    assert warmed == ["useful", "the warehouse's connector"] * warehouse + ["detection"] * detect


def test_a_worker_does_not_look_for_garbage_in_every_handful_of_bars(monkeypatch):
    monkeypatch.setattr(celery_warmup, "_warm", lambda what, work: None)
    before = gc.get_threshold()
    gc.set_threshold(700)
    try:
        celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
        assert gc.get_threshold()[0] == celery_warmup.YOUNG
    finally:
        gc.set_threshold(*before)


def test_the_connector_reads_an_answer_before_any_thread_does():
    celery_warmup.initialise_connector_logger()


TITLED = """
import signal, sys, time
from setproctitle import setproctitle
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
setproctitle(sys.argv[1])
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("queue", "told"), [("detect", [42, None]), ("poll", [None, None])])
def test_a_stopping_worker_tells_the_tasks_that_would_stay(monkeypatch, queue, told):
    titles = (f"{celery_warmup.TASK_TITLE}01a2", "something else")
    command = [sys.executable, "-c", TITLED]
    children = [subprocess.Popen([*command, title], stdout=subprocess.PIPE, text=True) for title in titles]
    try:
        assert [child.stdout.readline() for child in children] == ["ready\n"] * 2
        monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--queues", queue])
        celery_warmup.SensorsLeave(None).stop(None)
        if told[0]:
            children[0].wait(timeout=10)
        assert [child.poll() for child in children] == told
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CELERY__POOL", "threads")
    shared = []
    monkeypatch.setattr(fast_lane, "share_process", lambda: shared.append(True))
    return shared


def test_threads_are_for_the_fast_lane(monkeypatch, threads):
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--queues", "poll,short"])
    lanes = {"poll": "in_process", "short": "in_process"}
    monkeypatch.setenv("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", json.dumps(lanes))
    celery_warmup.share()
    assert threads == [True]
    assert celery_warmup.renew in [receiver() for _, receiver in task_postrun.receivers]
    task_postrun.disconnect(celery_warmup.renew)


def test_a_worker_with_threads_ends_once_after_so_many_tasks(monkeypatch):
    killed = []
    monkeypatch.setattr(celery_warmup, "_done", count(1))
    monkeypatch.setattr(celery_warmup, "TASKS_OF_THREADS", 3)
    monkeypatch.setattr(celery_warmup.os, "kill", lambda *given: killed.append(given))
    for done in range(1, 6):
        celery_warmup.renew()
        assert len(killed) == (done >= 3)
    assert killed == [(os.getpid(), signal.SIGTERM)]


@pytest.mark.parametrize(("queues", "lanes", "version"), [("poll,short", ["poll"], "3.3.2"), ("poll", ["poll"], "9.9")])
def test_threads_would_not_fork(monkeypatch, threads, queues, lanes, version):
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--queues", queues])
    monkeypatch.setattr(celery_warmup, "airflow_version", version)
    monkeypatch.setenv("AIRFLOW__SDK__QUEUE_TO_COORDINATOR", json.dumps(dict.fromkeys(lanes, "in_process")))
    with pytest.raises(ConfigurationError, match="set it to prefork"):
        celery_warmup.share()
    assert not threads
