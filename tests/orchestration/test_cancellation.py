"""A task that shares its process is told that it is no longer wanted; one with a process of its own never is."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from include.orchestration import cancellation
from include.orchestration.cancellation import CURRENT, Cancellation


class GivenUpError(BaseException):
    pass


def in_task(current, work):
    """Run the work as a task's thread does."""
    context = copy_context()
    context.run(CURRENT.set, current)
    return context.run(work)


def test_outside_of_a_lane_nothing_is_cancelled():
    cancellation.check_wanted()
    cancellation.sleep(-1)
    cancellation.sleep(0)


def test_a_wanted_task_goes_on():
    in_task(Cancellation(), cancellation.check_wanted)
    in_task(Cancellation(), lambda: cancellation.sleep(0.01))


def test_a_cancelled_task_is_told_why_wherever_it_looks():
    current = Cancellation()
    current.set(GivenUpError("somebody marked it"))
    assert current.is_set
    for look in (cancellation.check_wanted, lambda: cancellation.sleep(3_600), lambda: cancellation.sleep(-5)):
        with pytest.raises(GivenUpError, match="somebody marked it"):
            in_task(current, look)


def test_a_task_that_sleeps_is_woken():
    current = Cancellation()
    with ThreadPoolExecutor(1) as pool:
        asleep = pool.submit(in_task, current, lambda: cancellation.sleep(3_600))
        current.set(GivenUpError())
        with pytest.raises(GivenUpError):
            asleep.result(timeout=60)
