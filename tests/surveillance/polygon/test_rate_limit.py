"""The shared limit on a real Redis: processes that know nothing of each other stay below it together."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from redis import Redis

from include.polygon_simulator.market import synthetic_market
from include.surveillance.errors import RateLimitedError
from include.surveillance.polygon.client import Polygon
from include.surveillance.polygon.rate_limit import RateLimit
from tests.conftest import free_port
from tests.polygon_simulator.calling import KEY, call
from tests.polygon_simulator.conftest import serve as serve
from tests.polygon_simulator.conftest import served as served

ALLOWED, PROCESSES, EACH = 20, 3, 15


@pytest.fixture(scope="module")
def limited(serve) -> str:
    """A vendor that answers 429 beyond the limit."""
    return serve(synthetic_market(7, "24/7", 24), None, calls_per_minute=ALLOWED).url


def test_processes_together_use_the_plan_and_never_exceed_it(redis_url, limited):
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        started = [pool.submit(call, limited, redis_url, ALLOWED, EACH) for _ in range(PROCESSES)]
        outcomes = sum((process.result() for process in started), Counter())
    assert outcomes == {"answered": ALLOWED, "held back": PROCESSES * EACH - ALLOWED}


def test_redis_does_not_learn_the_key(redis_url):
    RateLimit(redis_url, 5, KEY).count_call()
    names = Redis.from_url(redis_url).keys()
    assert names
    assert not [name for name in names if KEY.encode() in name]


def test_another_key_has_calls_of_its_own(redis_url):
    RateLimit(redis_url, 1, "one").count_call()
    RateLimit(redis_url, 1, "other").count_call()
    with pytest.raises(RateLimitedError, match="all 1 calls of this minute are used"):
        RateLimit(redis_url, 1, "one").count_call()


def test_a_call_waits_for_its_turn_and_every_page_is_one(redis_url, served, monkeypatch):
    """Three pages on a plan of two calls a second."""
    monkeypatch.setattr("include.surveillance.polygon.client.ITEMS_PER_PAGE", 10)
    limit = RateLimit(redis_url, 2, "pages", window_seconds=1)
    given = Polygon(KEY, served.url, rate_limit=limit).instruments(["A", "Zz"])
    assert len(given.request_ids) == 3
    assert len(given.results) == 24


def test_a_wait_beyond_patience_says_when_to_come_back(redis_url):
    limit = RateLimit(redis_url, 1, "busy")
    limit.count_call()
    with pytest.raises(RateLimitedError, match=r"free in 6\d s; watch fewer .*POLYGON_CALLS_PER_MINUTE") as caught:
        Polygon("busy", "http://127.0.0.1:1", rate_limit=limit).splits("2026-01-02")
    assert 0 < caught.value.retry_after < 62


def test_without_redis_polling_goes_on_with_a_warning(caplog):
    limit = RateLimit(f"redis://127.0.0.1:{free_port()}/2", 1, KEY)
    for _ in range(3):
        limit.count_call()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1, "and is tried again in half a minute"
    assert "not counted, Redis does not answer" in said[0]
    assert KEY not in said[0]


def test_a_redis_that_hangs_holds_no_poll_up(caplog):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        taken = threading.Thread(
            target=RateLimit(f"redis://127.0.0.1:{silent.getsockname()[1]}/2", 1, KEY).count_call, daemon=True
        )
        taken.start()
        taken.join(30)
        assert not taken.is_alive()
    assert "does not answer" in caplog.text


def test_processes_share_the_calls_of_a_second(redis_url, monkeypatch):
    one, other = (RateLimit(redis_url, 3, "second", window_seconds=60) for _ in range(2))
    assert [limit.take() for limit in (one, other, one)] == [0.0, 0.0, 0.0]
    assert 59 < other.take() <= 60.1
    assert RateLimit(redis_url, 3, "second", window_seconds=61).take() == 0.0, "a minute is counted for itself"


def test_a_redis_that_is_down_is_asked_once_in_a_while(caplog):
    limit = RateLimit(f"redis://127.0.0.1:{free_port()}/2", 1, KEY)
    assert [limit.take() for _ in range(3)] == [0.0] * 3
    assert len(caplog.messages) == 1
