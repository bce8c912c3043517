"""Many symbols at once: what one of them meets stays its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from include.surveillance import normalise
from include.surveillance.errors import ConfigurationError, VendorError, VendorUnavailableError
from include.surveillance.polygon.client import Polygon, poll_each
from tests.polygon_simulator.constants import KEY, MINUTE, NOON

FROM = NOON - 10 * MINUTE
SYMBOLS = ["MSFT", "AAPL", "KO", "JPM", "XOM", "NVDA"]


@pytest.fixture(autouse=True)
def behaving(served) -> Iterator[None]:
    yield
    served.http.delete("/simulator/misbehave").raise_for_status()


@pytest.fixture
def polygon(served) -> Polygon:
    return Polygon(KEY, served.url, patience_seconds=3)


def test_each_symbol_comes_in_order_with_what_it_has_alone(polygon):
    answers = list(poll_each(polygon, SYMBOLS, ["minute", "5minute"], FROM, NOON))
    assert [symbol for symbol, _ in answers] == SYMBOLS
    for symbol, (minutes, fives) in answers:
        assert minutes.results == polygon.bars(symbol, "minute", FROM, NOON).results
        assert fives.results == polygon.bars(symbol, "5minute", FROM, NOON).results
        assert (minutes.symbols, minutes.timespan, fives.timespan) == ((symbol,), "minute", "5minute")


def test_a_symbol_that_fails_leaves_the_others(served, polygon):
    served.misbehave("not_authorized", symbol="KO", count=9)
    answers = dict(poll_each(polygon, SYMBOLS, ["minute"], FROM, NOON))
    refused = answers.pop("KO")
    assert isinstance(refused, VendorError)
    assert len(answers) == 5
    for symbol, (payload,) in answers.items():
        assert normalise.bars(payload, source="live")[-1].symbol == symbol


def test_trouble_within_the_patience_costs_nobody_anything(served, polygon):
    served.misbehave("5xx", symbol="KO")
    answers = dict(poll_each(polygon, SYMBOLS, ["minute"], FROM, NOON))
    assert [payload.symbols for (payload,) in answers.values()] == [(symbol,) for symbol in SYMBOLS]


def test_all_have_the_patience_of_one(served, monkeypatch):
    polygon = Polygon(KEY, served.url, patience_seconds=1.2)
    monkeypatch.setattr("include.surveillance.polygon.client.IN_FLIGHT", 1)
    served.misbehave("5xx", count=1_000)
    answers = dict(poll_each(polygon, SYMBOLS, ["minute"], FROM, NOON))
    assert all(isinstance(error, VendorUnavailableError) for error in answers.values())
    asked = 1_000 - served.http.post("/simulator/misbehave", json={"kind": "late"}).json()["pending"][0]["count"]
    # Two pauses of half a second and more use it up; after them each of the rest is asked once.
    assert len(SYMBOLS) <= asked <= len(SYMBOLS) + 2


def test_a_clock_that_is_off_ends_them_all(served, polygon):
    served.misbehave("clock", seconds=300, count=99)
    with pytest.raises(ConfigurationError, match="clock"):
        list(poll_each(polygon, SYMBOLS, ["minute"], FROM, NOON))


def test_a_call_knows_who_asked(polygon, monkeypatch):
    asking, heard = ContextVar("asking", default=None), []
    bars = Polygon.bars
    monkeypatch.setattr(Polygon, "bars", lambda self, *given: heard.append(asking.get()) or bars(self, *given))
    asking.set("a group")
    assert len(list(poll_each(polygon, SYMBOLS, ["minute"], FROM, NOON))) == len(SYMBOLS)
    assert heard == ["a group"] * len(SYMBOLS)
