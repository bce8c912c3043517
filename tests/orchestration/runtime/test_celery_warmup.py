"""The worker's warm-up: each loads what its queues need, and starts without what is only useful."""

import gc
import subprocess
import sys
from types import SimpleNamespace

import pytest

from include.orchestration.runtime import celery_warmup


@pytest.fixture(autouse=True)
def any_queue(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker"])
    yield
    gc.unfreeze()


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


def test_what_is_loaded_before_the_pool_forks_is_shared(monkeypatch):
    """The collector of a process writes to what it looks through, which makes a copy of its own of each page."""
    monkeypatch.setattr(celery_warmup, "NEEDED", ("json",))
    monkeypatch.setattr(celery_warmup, "USEFUL", ())
    monkeypatch.setattr(celery_warmup, "warm_detection_up", lambda: None)
    celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
    assert gc.get_freeze_count() > 10_000


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
    monkeypatch.setattr(celery_warmup, "initialise_connector_logger", lambda: warmed.append("connector"))
    monkeypatch.setattr(celery_warmup, "warm_detection_up", lambda: warmed.append("detection"))
    monkeypatch.setattr(sys, "argv", line)
    celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
    assert warmed == ["useful", "connector"] * warehouse + ["detection"] * detect


@pytest.mark.parametrize(("queues", "waits"), [("poll,short", True), ("detect", True), ("default,warehouse", False)])
def test_a_worker_waits_for_the_tables_but_where_bootstrap_platform_runs(monkeypatch, queues, waits):
    waited = []
    monkeypatch.setattr(celery_warmup, "await_migrations", lambda: waited.append(queues))
    monkeypatch.setattr(celery_warmup, "NEEDED", ())
    monkeypatch.setattr(celery_warmup, "_try", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["airflow", "celery", "worker", "--queues", queues])
    celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
    assert bool(waited) == waits


def test_a_worker_does_not_look_for_garbage_in_every_handful_of_bars(monkeypatch):
    monkeypatch.setattr(celery_warmup, "_try", lambda *_: None)
    before = gc.get_threshold()
    gc.set_threshold(700)
    try:
        celery_warmup.preload(SimpleNamespace(steps={"worker": set()}))
        assert gc.get_threshold()[0] == celery_warmup.YOUNG
    finally:
        gc.set_threshold(*before)


def test_the_connector_reads_an_answer_before_any_thread_does():
    celery_warmup.initialise_connector_logger()
