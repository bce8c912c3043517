"""The calls of a second: no second has more than allowed, and nobody waits without need."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.polygon import pace
from include.surveillance.polygon.client import Polygon
from include.surveillance.polygon.pace import WINDOW_SECONDS, Pace
from tests.surveillance.polygon.vendor import KEY, MINUTE, page


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


@given(st.integers(1, 6), st.lists(st.floats(0, 2), max_size=40))
def test_no_second_has_more_calls_than_allowed(calls, pauses):
    clock, gone = Clock(), []
    limiter = Pace(calls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "time", clock)
        for pause in pauses:
            clock.now += pause
            limiter.wait()
            gone.append(clock.now)
    assert all(later - earlier > 1.0 for earlier, later in zip(gone, gone[calls:], strict=False))


def test_a_burst_within_the_limit_goes_at_once_and_what_is_beyond_waits(clock):
    limiter = Pace(3)
    for _ in range(3):
        limiter.wait()
    assert clock.now == 100.0
    limiter.wait()
    assert clock.now == pytest.approx(100.0 + WINDOW_SECONDS)


def test_threads_share_the_turns(monkeypatch):
    slept = []
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: 100.0, sleep=slept.append))
    limiter, together = Pace(10), Barrier(40)

    def call(_):
        together.wait()
        limiter.wait()

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(call, range(40)))
    waits = sorted(round(seconds / WINDOW_SECONDS) for seconds in slept)
    assert waits == [1] * 10 + [2] * 10 + [3] * 10


def test_every_page_waits_its_turn(vendor, clock):
    vendor.answers(page(next_url="/v2?cursor=a"), page())
    Polygon(KEY, vendor.url, pace=Pace(1)).bars("AAPL", "minute", 0, MINUTE)
    assert len(vendor.asked) == 2
    assert clock.now == pytest.approx(100.0 + WINDOW_SECONDS)


class Counted:
    """Calls of other processes: the next one is free after each of these times."""

    def __init__(self, *seconds):
        self.seconds = list(seconds)

    def take(self):
        return self.seconds.pop(0)


def test_a_call_waits_until_the_calls_of_all_processes_leave_room(clock):
    others = Counted(0.25, 0.5, 0.0)
    Pace(10, others).wait()
    assert others.seconds == []
    assert clock.now == pytest.approx(100.75)
