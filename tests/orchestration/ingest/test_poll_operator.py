"""One operator, three kinds of question: what is published, and who is left to be asked for alone."""

import json
from datetime import timedelta

import pytest

from include.orchestration import connections
from include.orchestration.ingest import polling
from include.orchestration.ingest.poll_operator import PollOperator
from include.surveillance.errors import VendorUnavailableError
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Watermark

MINUTE = 60_000
SINCE = 1_550_154_600_000
END = SINCE + MINUTE


def bar(ts_ms):
    return {"t": ts_ms, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}


class Vendor:
    """Knows one bar of every symbol for any time, and refuses some symbols."""

    def __init__(self, *refused):
        self.refused, self.asked = refused, []

    def sharing_patience(self):
        return self

    def bars(self, symbol, timespan, from_ms, to_ms):
        self.asked.append((symbol, timespan, from_ms, to_ms))
        if symbol in self.refused:
            raise VendorUnavailableError(f"{symbol}: busy")
        about = {"symbols": (symbol,), "timespan": timespan, "from_ms": from_ms, "to_ms": to_ms}
        return Payload((json.dumps(bar(SINCE)).encode(),), polled_ms=to_ms + 1, **about)

    def snapshot(self, to_ms):
        tickers = [{"ticker": name, "min": bar(SINCE)} for name in ("A", "B", "NOBODY")]
        return Payload(tuple(json.dumps(ticker).encode() for ticker in tickers), polled_ms=to_ms + 1, to_ms=to_ms)


class Published:
    def publish(self, records):
        self.records = list(records)
        return {"polygon.bars.raw": len(self.records)}

    def symbols(self, kind):
        return [record.symbol for record in self.records if isinstance(record, kind)]


@pytest.fixture
def published():
    return Published()


def poll(monkeypatch, vendor, published, symbols, timespans=("minute",)):
    monkeypatch.setattr(connections, "kept_open", lambda: (vendor, published))
    monkeypatch.setattr(polling, "read_watchlist", lambda: ["A", "B", "C"])
    question = {"symbols": symbols, "timespans": list(timespans), "since_ms": SINCE, "end_ms": END}
    about = {"overlap": timedelta(minutes=5), "delay_seconds": 2}
    return PollOperator(task_id="poll", name="it", **about, **question).execute({})


def test_a_symbol_is_asked_for_each_timespan_with_what_may_have_come_late(monkeypatch, published):
    vendor = Vendor()
    assert poll(monkeypatch, vendor, published, ["A"], ("minute", "5minute")) is None
    assert [(symbol, span) for symbol, span, _, _ in vendor.asked] == [("A", "minute"), ("A", "5minute")]
    assert {(since, end) for *_, since, end in vendor.asked} == {(SINCE - 5 * MINUTE, END)}
    assert published.symbols(Watermark) == ["A", "A"]


def test_a_symbol_that_fails_alone_fails_its_task(monkeypatch, published):
    with pytest.raises(VendorUnavailableError, match="A: busy"):
        poll(monkeypatch, Vendor("A"), published, ["A"])


def test_who_fails_in_a_group_is_left_and_the_others_are_published(monkeypatch, published):
    returned = poll(monkeypatch, Vendor("B"), published, ["A", "B", "C"])
    assert published.symbols(Bar) == ["A", "C"]
    assert returned["left"] == {"symbols": ["B"], "timespans": ["minute"], "since_ms": SINCE, "end_ms": END}
    (alone,) = polling.plan_lone_polls([returned["left"]])
    assert (alone["name"], alone["symbols"]) == ("B", ["B"])


def test_a_group_of_which_nobody_comes_fails_as_a_whole(monkeypatch, published):
    with pytest.raises(VendorUnavailableError):
        poll(monkeypatch, Vendor("A", "B"), published, ["A", "B"])


def test_the_market_brings_the_watchlist_and_says_of_whom_nothing_came(monkeypatch, published):
    returned = poll(monkeypatch, Vendor(), published, [])
    assert published.symbols(Bar) == ["A", "B"]
    assert published.symbols(Watermark) == ["A", "B", "C"]
    assert {watermark.bars for watermark in published.records if isinstance(watermark, Watermark)} == {0, 1}
    assert returned["left"]["symbols"] == []
    assert polling.plan_lone_polls([returned["left"]]) == []
