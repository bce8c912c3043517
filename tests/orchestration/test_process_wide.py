"""What a process needs once is made once, by however many threads it is asked for in the same moment."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from include.orchestration.process_wide import once_per_process

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
