"""What a process needs once is made once, by however many threads it is asked for in the same moment."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from include.orchestration import connections
from include.orchestration.process_wide import OncePerProcess, once_per_process
from include.orchestration.runtime import fast_lane, task_log
from tests.paths import ROOT

THREADS = 200


def ask_at_once(ask):
    meet = Barrier(THREADS, timeout=60)

    def one(_):
        meet.wait()
        return ask()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_two_hundred_threads_get_one():
    made = []
    get = once_per_process(lambda: made.append(object()) or made[-1])
    assert {id(got) for got in ask_at_once(get)} == {id(made[0])}
    assert len(made) == 1


def test_other_arguments_take_the_place_of_those_before():
    made = []
    get = once_per_process(lambda about: made.append(about) or about)
    assert [get("a"), get("a"), get("b"), get("b")] == ["a", "a", "b", "b"]
    assert made == ["a", "b"]


def test_what_fails_is_tried_again():
    answers = iter([1, 0])
    get = once_per_process(lambda: 1 / (1 - next(answers)))
    with pytest.raises(ZeroDivisionError):
        get()
    assert get() == get() == 1.0


def test_a_fork_makes_its_own():
    get = once_per_process(os.getpid)
    assert get() == os.getpid()
    read, write = os.pipe()
    if not (child := os.fork()):
        os.write(write, f"{get()} {os.getpid()}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    kept, its = os.read(read, 100).decode().split()
    assert kept == its
    os.close(read)
    os.close(write)


def test_whatever_the_tasks_of_a_process_share_is_made_this_way():
    """``lru_cache`` and ``cache`` let all threads make it that come before the first is done."""
    shared = (fast_lane.share_process, fast_lane._calls, fast_lane._own_process, task_log._attach, connections._open)
    assert all(isinstance(made, OncePerProcess) for made in shared)
    sources = [file for name in ("include/orchestration", "dags", "plugins") for file in (ROOT / name).rglob("*.py")]
    assert len(sources) > 40
    assert not [str(file) for file in sources if "lru_cache" in file.read_text() and file.name != "process_wide.py"]


def test_two_hundred_threads_prepare_a_worker_once(monkeypatch):
    """What the tasks of a worker's first minute ask for, all in the same instant."""
    made = []
    monkeypatch.setattr(fast_lane.Calls, "__init__", lambda _: made.append("calls"))
    monkeypatch.setattr(fast_lane, "_calls", once_per_process(fast_lane.Calls))
    ask_at_once(fast_lane._calls)
    assert made == ["calls"]
