"""The backfill form: dates are New York's, chunks cover the range once, bars come in the order of time."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration.ingest.backfill import chunks, groups, poll, to_ms, window
from include.surveillance.errors import ConfigurationError, VendorUnavailableError
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar

NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        ("2026-11-18", "2026-11-19", "2026-11-18T05:00Z", "2026-11-20T05:00Z"),
        ("2026-03-07", "2026-03-08", "2026-03-07T05:00Z", "2026-03-09T04:00Z"),  # clocks change: 23 hours
        ("2026-11-19T14:30:00Z", "2026-11-19T15:00:00+00:00", "2026-11-19T14:30Z", "2026-11-19T15:00Z"),
        ("2026-11-19T09:30:00-05:00", "2026-11-19", "2026-11-19T14:30Z", "2026-11-20T05:00Z"),
        ("2026-11-20", "2026-11-20", "2026-11-20T05:00Z", "2026-11-20T18:30Z"),  # today, until now
    ],
)
def test_range(first, last, start, end):
    assert window(first, last, NOW) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-11-19", "2026-11-18", "from=2026-11-19 is not before to=2026-11-18"),
        ("2026-11-19T15:00:00Z", "2026-11-19T15:00:00Z", "nothing to backfill"),
        ("2026-11-21", "2026-11-22", "from=2026-11-21 lies in the future"),
        ("2026-11-19", "2026-11-21", "to=2026-11-21 lies in the future"),
        ("yesterday.", "2026-11-18", "from='yesterday.' is neither a date"),
        ("2026-11-18", "2026-13-40", "to='2026-13-40' is neither a date"),
    ],
)
def test_nonsense_is_refused_with_what_to_do(first, last, said):
    with pytest.raises(ConfigurationError, match=said):
        window(first, last, NOW)


@given(st.integers(1, 400), st.integers(1, 30))
def test_chunks_cover_the_range_once_and_in_order(hours, days):
    spans = chunks(NOW - timedelta(hours=hours), NOW, days)
    assert (spans[0][0], spans[-1][1]) == (to_ms(NOW - timedelta(hours=hours)), to_ms(NOW))
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all(0 < high - low <= days * 86_400_000 for low, high in spans)


@given(st.integers(1, 40), st.integers(1, 12))
def test_every_symbol_is_in_one_group(count, size):
    symbols = [f"S{number:02}" for number in range(count)]
    found = groups(symbols, size)
    assert [symbol for group in found for symbol in group["symbols"]] == symbols
    assert max(len(group["symbols"]) for group in found) <= size
    assert len({group["name"] for group in found}) == len(found)


class Vendor:
    """Answers every question with one bar per symbol and span; one symbol is refused in one span."""

    def __init__(self, refused=None):
        self.refused = refused

    def sharing_patience(self):
        return self

    def bars(self, symbol, timespan, from_ms, to_ms):
        if (symbol, from_ms) == self.refused:
            raise VendorUnavailableError("busy")
        raw = json.dumps({"t": from_ms, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}).encode()
        about = {"symbols": (symbol,), "timespan": timespan, "from_ms": from_ms, "to_ms": to_ms}
        return Payload((raw,), polled_ms=to_ms + 1, **about)


class Published:
    def __init__(self):
        self.bars = []

    def publish(self, records):
        new = [record for record in records if isinstance(record, Bar)]
        self.bars += [(bar.symbol, bar.ts_ms) for bar in new]
        return {"polygon.bars.raw": len(new)}


SPANS = [(0, 60_000), (60_000, 120_000), (120_000, 180_000)]


def test_each_symbols_bars_come_in_the_order_of_time():
    published = Published()
    assert poll(Vendor(), published, ["A", "B"], "minute", SPANS) == {"polygon.bars.raw": 6}
    assert [ts for symbol, ts in published.bars if symbol == "B"] == [0, 60_000, 120_000]


def test_a_refused_symbol_holds_later_days_back_but_not_the_others_of_its_day():
    published = Published()
    with pytest.raises(VendorUnavailableError, match="busy"):
        poll(Vendor(refused=("A", 60_000)), published, ["A", "B"], "minute", SPANS)
    assert published.bars == [("A", 0), ("B", 0), ("B", 60_000)]
