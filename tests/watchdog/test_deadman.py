"""Pings, against a real server."""

import pytest

from include.watchdog.deadman import EVERY_SECONDS, DeadMan
from tests.sinks import Answer


def test_it_is_pinged_once_a_minute(sink):
    deadman = DeadMan(f"{sink.url}/ping/key")
    for tick in range(31):
        deadman.ping(1_000.0 + 10 * tick)
    assert [(it.method, it.path) for it in sink.taken] == [("GET", "/ping/key")] * 6
    assert EVERY_SECONDS == 60


@pytest.mark.parametrize(
    "answer", [Answer(302, {"Location": "/elsewhere"}), Answer(500), Answer(404), Answer(reset=True)]
)
def test_a_ping_that_fails_is_logged_once_and_followed_nowhere(sink, answer, caplog):
    deadman = DeadMan(f"{sink.url}/ping/key")
    sink.answer = lambda _: answer
    for tick in range(5):
        deadman.ping(60.0 * tick)
    assert {it.path for it in sink.requests} == {"/ping/key"}
    assert caplog.text.count("DEADMAN_URL") == 1
    assert "key" not in caplog.text
    sink.answer = lambda _: Answer()
    for tick in range(5, 8):
        deadman.ping(60.0 * tick)
    assert caplog.text.count("is pinged again") == 1


def test_without_an_address_nothing_is_pinged():
    deadman = DeadMan("")
    deadman.ping(0.0)
    assert deadman._due == 0.0
