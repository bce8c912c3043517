"""A task's log has what its thread logs and prints, and nothing of others."""

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
import structlog
from airflow.sdk.execution_time.supervisor import _configure_logging
from structlog.testing import LogCapture

from include.orchestration.runtime import task_log

THREADS = 8


@pytest.fixture(autouse=True)
def process(monkeypatch):
    """What the first task changes in the process is undone."""
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    root, ours = logging.getLogger(), logging.getLogger("include")
    handlers, level = [*root.handlers], ours.level
    task_log._attach.cache_clear()
    yield
    root.handlers[:] = handlers
    ours.setLevel(level)
    task_log._attach.cache_clear()


def capture():
    captured = LogCapture()
    log = structlog.wrap_logger(None, processors=[captured], wrapper_class=structlog.stdlib.BoundLogger)
    return log, captured.entries


def task(number=0):
    about = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": number}
    return SimpleNamespace(id=number, try_number=1, **about)


def test_each_thread_writes_to_its_own():
    meet = Barrier(THREADS, timeout=20)

    def work(number):
        log, entries = capture()
        with task_log.write_to(log, task(number)):
            meet.wait()
            logging.getLogger("include.test").info("logged by %s", number)
            print(f"printed by {number}")  # noqa: T201 - what a task may do
            meet.wait()
        return [entry["event"] for entry in entries]

    with ThreadPoolExecutor(THREADS) as pool:
        written = list(pool.map(work, range(THREADS)))
    assert written == [[f"logged by {number}", f"printed by {number}"] for number in range(THREADS)]


def test_what_nobody_runs_goes_where_it_went_before(capsys):
    log, entries = capture()
    with task_log.write_to(log, task()):
        pass
    print("printed afterwards")  # noqa: T201 - what anybody else may do
    logging.getLogger("include.test").warning("logged afterwards")
    sys.stdout.flush()
    assert entries == []
    assert "printed afterwards" in capsys.readouterr().out


def test_a_log_has_the_level_the_logger_and_the_error():
    log, entries = capture()
    with task_log.write_to(log, task()):
        try:
            raise ValueError("no answer")
        except ValueError:
            logging.getLogger("include.test").exception("could not ask")
    (entry,) = entries
    assert (entry["event"], entry["log_level"], entry["logger"]) == ("could not ask", "error", "include.test")
    assert entry["exc_info"][0] is ValueError


def test_the_workers_log_has_what_is_amiss_and_what_operators_follow():
    log, entries = capture()
    said = []
    of_the_worker = logging.Handler()
    of_the_worker.emit = lambda record: said.append(record.getMessage())
    logging.getLogger().addHandler(of_the_worker)
    logger = logging.getLogger("include.test")
    with task_log.write_to(log, task()):
        logger.info("a task's own")
        logger.info("a minute", extra={task_log.FOR_OPERATORS: True})
        logger.warning("amiss")
    logger.info("no task's")
    assert said == ["a minute", "amiss", "no task's"]
    assert [entry["event"] for entry in entries] == ["a task's own", "a minute", "amiss"]


def test_airflows_page_folds_an_error_as_that_of_a_task_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LOGGING__BASE_LOG_FOLDER", str(tmp_path))
    log, file = _configure_logging("task.log", None)
    try:
        raise ValueError("no such bar")
    except ValueError:
        task_log.fold_errors(log).exception("Task failed with exception")
    file.close()
    line = json.loads((tmp_path / "task.log").read_text())
    assert (line["event"], line["level"]) == ("Task failed with exception", "error")
    assert [(it["exc_type"], it["exc_value"]) for it in line["error_detail"]] == [("ValueError", "no such bar")]
    assert "exception" not in line
