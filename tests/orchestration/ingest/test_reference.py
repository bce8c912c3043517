"""Reference data from the simulator to real topics: tickers, what is withdrawn, and what contradicts itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from include.orchestration.ingest import reference
from include.polygon_simulator.market import synthetic_market
from include.surveillance import broker, wire
from include.surveillance.polygon.client import Payload, Polygon
from include.surveillance.records import Alert, Dividend, Instrument, Reject, Split, TickerChange
from tests.polygon_simulator.calling import KEY
from tests.polygon_simulator.conftest import serve as serve
from tests.surveillance.live.partition_log import make_topics

RUN = datetime(2026, 9, 22, 8, tzinfo=UTC)
NOON = 1_790_078_400_000


@pytest.fixture(scope="module")
def url(serve) -> str:
    return serve(synthetic_market(7, "24/7", 24, clock=lambda: NOON), None).url


@pytest.fixture
def platform(kafka, url, monkeypatch):
    """Topics of its own, the simulator as the vendor, and the watchlist that a test sets."""
    make_topics(kafka, monkeypatch, 2)
    given = SimpleNamespace(polygon=Polygon(KEY, url), watchlist=["AAPL", "META"], kafka=kafka)
    monkeypatch.setattr(reference.connections, "polygon", lambda patience: given.polygon)
    monkeypatch.setattr(reference.connections, "kafka", lambda: kafka)
    monkeypatch.setattr(reference.polling, "read_watchlist", lambda: given.watchlist)
    return given


def published(platform, *topics):
    found = [
        wire.decode(message.value)
        for topic in topics or (broker.REFERENCE, broker.BASELINES, broker.REJECTED)
        for partition in range(2)
        for message in broker.read(platform.kafka, {(topic, partition): None}).messages
        if message.value is not None
    ]
    return {kind: [it for it in found if type(it) is kind] for kind in map(type, found)}


def asked(platform, monkeypatch):
    """Which instruments' tickers are asked for from now on."""
    seen = []
    events = platform.polygon.ticker_events
    monkeypatch.setattr(platform.polygon, "ticker_events", lambda it: seen.append(it) or events(it))
    return seen


def test_an_instrument_knows_since_when_it_has_its_ticker_and_its_changes_are_published(platform, monkeypatch):
    seen = asked(platform, monkeypatch)
    reference.ingest_instruments(RUN)
    found = published(platform)
    known = {it.symbol: (it.ticker_since, it.previous_symbol, it.active) for it in found[Instrument]}
    assert known == {"AAPL": ("2003-09-10", None, True), "META": ("2022-06-09", "FB", True)}
    (change,) = found[TickerChange]
    assert (change.symbol, change.new_symbol, change.date) == ("FB", "META", "2022-06-09")
    assert change.composite_figi
    assert len(seen) == 2
    reference.ingest_instruments(RUN)
    assert len(seen) == 2, "what is known is not asked for again"
    again = [it for it in published(platform)[Instrument] if it.symbol == "META"]
    assert {it.event_id for it in again} == {again[0].event_id}


def test_a_ticker_that_is_gone_says_what_has_become_of_it(platform):
    platform.watchlist = ["FB", "ATVI", "NOSUCH"]
    reference.ingest_instruments(RUN)
    found = published(platform)
    said = {it.symbol: (it.reason, it.detail) for it in found[Reject]}
    assert said["FB"] == (
        "ticker changed", "it trades as META since 2022-06-09: put that on the watchlist instead"
    )  # fmt: skip
    assert said["ATVI"] == ("ticker delisted", "it was traded until 2023-10-13: take it off the watchlist")
    assert said["NOSUCH"][0] == "unknown ticker"
    ended = {it.symbol: (it.active, it.previous_symbol, it.ticker_since, it.delisted_on) for it in found[Instrument]}
    assert ended == {
        "ATVI": (False, None, "2003-09-10", "2023-10-13"),
        "FB": (False, None, "2012-05-18", "2022-06-09"),
    }
    assert {(it.symbol, it.new_symbol, it.date) for it in found[TickerChange]} == {
        ("FB", "META", "2022-06-09"),
        ("ATVI", "", "2023-10-14"),
    }


def test_another_instrument_under_the_same_ticker_ends_the_series(platform, monkeypatch):
    reference.ingest_instruments(RUN)
    apple = next(it for it in published(platform)[Instrument] if it.symbol == "AAPL")
    other = replace(apple, composite_figi="BBG000000001", name="Other", event_id="", revision="")
    broker.publish(platform.kafka, [other])
    monkeypatch.setattr(platform.polygon, "ticker_events", lambda identifier: Payload((), 0))
    reference.ingest_instruments(RUN)
    taken = [it for it in published(platform)[TickerChange] if it.new_symbol == "AAPL"]
    assert [(it.symbol, it.date, it.composite_figi) for it in taken] == [("", "2026-09-22", apple.composite_figi)]


def answers(*results):
    return lambda since: Payload(tuple(json.dumps(it).encode() for it in results), 0)


def test_what_is_listed_no_more_is_withdrawn_and_what_contradicts_itself_is_told_once(platform, monkeypatch):
    def split(symbol, to, date="2026-09-24"):
        return {"ticker": symbol, "execution_date": date, "split_from": 1, "split_to": to}

    monkeypatch.setattr(
        platform.polygon, "splits", answers(split("AAPL", 2), split("META", 2), split("KO", 2, "2024-01-04"))
    )
    reference.ingest_splits(RUN)
    monkeypatch.setattr(platform.polygon, "splits", answers(split("META", 2), split("META", 20), split("V", 4)))
    for _ in range(2):
        reference.ingest_splits(RUN)
    left = broker.read_compacted(platform.kafka, broker.BASELINES)
    assert set(left) == {"split|KO|2024-01-04", "split|V|2026-09-24"}, "what is older than was asked for stays"
    found = published(platform, broker.ALERTS, broker.REJECTED)
    assert len({it.event_id for it in found[Alert]}) == 1
    assert found[Alert][0].rule == "data_quality"
    assert "two ratios for one day, META on 2026-09-24: 2 for 1 and 20 for 1" in found[Alert][0].explanation
    assert {it.reason for it in found[Reject]} == {"two ratios for one day"}
    monkeypatch.setattr(platform.polygon, "splits", answers())
    reference.ingest_splits(RUN)
    assert set(broker.read_compacted(platform.kafka, broker.BASELINES)) == set(left)


def test_splits_and_dividends_of_the_market(platform):
    assert reference.ingest_splits(RUN)["withdrawn"] == reference.ingest_dividends(RUN)["withdrawn"] == 0
    found = published(platform, broker.BASELINES)
    assert found[Split]
    assert {it.symbol for it in found[Dividend]} >= {"AAPL", "KO"}
    assert all(it.payments for it in found[Dividend])
