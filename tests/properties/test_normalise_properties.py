"""Whatever the vendor sends is a record or a reject, nothing is lost, and everything can be published."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance import normalise, wire
from include.surveillance.normalise import ohlcv
from include.surveillance.normalise.fields import UnusableError
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Instrument, NewsItem, Reject, Split, Watermark
from include.surveillance.timespans import SPAN_MS

MINUTE = 60_000
START, END = 1_550_154_600_000, 1_550_154_600_000 + 60 * MINUTE

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["NaN", "1e400", "\ud800"]),
)
garbage = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


def nearly(fields: dict[str, st.SearchStrategy]) -> st.SearchStrategy[dict]:
    """Objects with the right names, mostly plausible values, and now and then anything at all."""
    optional = {name: plausible | garbage for name, plausible in fields.items()}
    return st.fixed_dictionaries({}, optional=optional) | st.fixed_dictionaries(fields)


prices = st.floats(0.01, 1e6)
starts = st.integers(-2, 62).map(lambda minute: START + minute * MINUTE)
bars = nearly(
    {
        "t": starts,
        "o": prices,
        "h": prices,
        "l": prices,
        "c": prices,
        "v": st.floats(0, 1e9),
        "vw": prices,
        "n": st.integers(),
    }
)
good_bars = st.builds(
    lambda t, low, a, b, c, v: {"t": t, "l": low, "o": low + a, "c": low + b, "h": low + max(a, b) + c, "v": v},
    starts, prices, prices, prices, prices, st.integers(1, 10**9),
)  # fmt: skip
tickers = st.lists(st.sampled_from(["AAPL", "MSFT", "XYZ"]), max_size=3)
insights = st.lists(
    nearly({"ticker": st.sampled_from(["AAPL", "XYZ"]), "sentiment": st.sampled_from(["positive", "bad"])}) | garbage,
    max_size=3,
)
articles = nearly(
    {
        "id": st.text(min_size=1, max_size=5),
        "title": st.text(min_size=1, max_size=5),
        "published_utc": st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
        "tickers": tickers,
        "insights": insights,
        "publisher": nearly({"name": st.text(max_size=5)}),
    }
)
instruments = nearly({"ticker": st.sampled_from(["AAPL", "XYZ"]), "name": st.text(min_size=1), "active": st.booleans()})
splits = nearly(
    {"ticker": st.text(min_size=1), "execution_date": st.dates().map(str), "split_from": prices, "split_to": prices}
)


def texts(results: st.SearchStrategy) -> st.SearchStrategy[list[bytes]]:
    return st.lists(
        (results | garbage).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20), max_size=8
    )


def payload(results: list[bytes], timespan: str = "minute", polled_ms: int = END + 1_000) -> Payload:
    asked = {"symbols": ("AAPL",), "timespan": timespan, "from_ms": START, "to_ms": END, "polled_ms": polled_ms}
    return Payload(results=tuple(results), **asked)


def publishable(records: list) -> None:
    for record in records:
        assert wire.decode(wire.encode(record)) == record


@given(texts(bars | good_bars), st.sampled_from(["minute", "5minute", "hour", "day"]))
def test_every_bar_is_kept_rejected_or_still_growing(results, timespan):
    *records, watermark = normalise.bars(payload(results, timespan), source="live")
    kinds = Counter(type(record) for record in records)
    growing = len(results) - kinds[Bar] - kinds[Reject]

    publishable([*records, watermark])
    assert isinstance(watermark, Watermark)
    untraded = sum(isinstance(record, Reject) and record.reason == "no trade" for record in records)
    assert (watermark.bars, watermark.rejected) == (kinds[Bar], kinds[Reject] - untraded)
    assert 0 <= growing <= sum(can_grow(raw, timespan) for raw in results)
    kept = [record for record in records if isinstance(record, Bar)]
    assert [bar.ts_ms for bar in kept] == sorted({bar.ts_ms for bar in kept})
    for bar in kept:
        assert bar.close_ms <= END
        assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high < float("inf")
        assert 0 < bar.volume <= 10**15


def can_grow(raw: bytes, timespan: str) -> bool:
    try:
        return int(json.loads(raw)["t"]) + SPAN_MS[timespan] > END
    except (ValueError, TypeError, KeyError, IndexError, OverflowError):
        return False


@given(st.lists(good_bars, max_size=8, unique_by=lambda bar: bar["t"]))
def test_good_bars_are_never_rejected(given_bars):
    inside = [bar for bar in given_bars if START <= bar["t"] < END]
    records = normalise.bars(payload([json.dumps(bar).encode() for bar in inside]), source="live")
    assert [bar.ts_ms for bar in records[:-1]] == sorted(bar["t"] for bar in inside)
    assert [bar.open for bar in records[:-1]] == [bar["o"] for bar in sorted(inside, key=lambda bar: bar["t"])]


@given(texts(bars))
def test_a_reject_carries_what_came(results):
    records = normalise.bars(payload(results), source="live")
    unread = Counter(result.decode() for result in results if _decodes(result))
    rejected = Counter(record.raw for record in records if isinstance(record, Reject) and record.encoding == "utf-8")
    assert rejected <= unread


odd_numbers = ["0", "-0", "0.0", "1e2", "1.03E+6", "100.00000000000001", "1e400", "1e-400", "1e15", "1e16", "-1", "NaN"]
odd_values = ["Infinity", "null", "true", '"7.5"', '" 7 "', '"1_0"', '"NaN"', '"x"', "[]", str(2**53), "0.1234567"]
written = st.sampled_from([*odd_numbers, *odd_values]) | st.floats(allow_nan=False, allow_infinity=False).map(repr)


@given(st.dictionaries(st.sampled_from(["t", "o", "h", "l", "c", "v", "vw", "n", "otc", "x"]), written), good_bars)
def test_a_bar_read_as_a_whole_is_the_bar_read_field_by_field(odd, good):
    fields = {name: json.dumps(value) for name, value in good.items()} | odd
    raw = ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()
    about = {"symbol": "AAPL", "timespan": "minute", "polled_ms": END}

    def read() -> tuple[str, ...]:
        try:
            return ("bar", wire.encode(ohlcv.read_bar(raw, payload([]), about)).decode())
        except UnusableError as error:
            return error.reason, error.detail

    whole = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ohlcv, "_decode_plain", lambda raw: None)
        assert whole == read()


@given(
    st.lists(
        st.tuples(st.sampled_from(["AAPL", "MSFT", "XYZ"]), (bars | good_bars | garbage)).map(
            lambda pair: json.dumps({"ticker": pair[0], "min": pair[1]}).encode()
        )
        | st.binary(max_size=9),
        max_size=6,
    )
)
def test_a_snapshot_tells_of_each_watched_symbol_what_came(results):
    given_ms = START + 5 * MINUTE
    records = normalise.snapshot(payload(results), ["AAPL", "MSFT"], given_ms, given_ms + MINUTE, source="live")
    publishable(records)
    *before, apple, microsoft = records
    assert [(mark.symbol, mark.as_of_ms) for mark in (apple, microsoft)] == [
        ("AAPL", given_ms + MINUTE),
        ("MSFT", given_ms + MINUTE),
    ]
    kept = [record for record in before if isinstance(record, Bar)]
    assert {bar.ts_ms for bar in kept} <= {given_ms}
    for mark in (apple, microsoft):
        assert mark.bars == sum(bar.symbol == mark.symbol for bar in kept) <= 1
        assert mark.rejected == sum(
            isinstance(r, Reject) and r.symbol == mark.symbol and r.reason != "no trade" for r in before
        )


def _decodes(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(articles | garbage)
def test_a_watched_article_is_an_item_for_each_ticker_or_a_reject(article):
    records = normalise.news(payload([json.dumps(article).encode()], polled_ms=2**50), ["AAPL", "MSFT"], source="live")
    publishable(records)
    items = [record.symbol for record in records if isinstance(record, NewsItem)]
    named = article.get("tickers") if isinstance(article, dict) else None
    if not isinstance(named, list) or not all(isinstance(ticker, str) for ticker in named):
        assert [type(record) for record in records] == [Reject]
    elif watched := {"AAPL", "MSFT"} & set(named):
        assert sorted(items) == sorted(watched) or [type(record) for record in records] == [Reject]
    else:
        assert records == []


@given(texts(articles))
def test_articles_do_not_disturb_each_other(results):
    def of(*chosen):
        return normalise.news(payload(chosen, polled_ms=2**50), ["AAPL", "MSFT"], source="live")

    assert of(*results) == [record for result in results for record in of(result)]


@given(texts(instruments))
def test_an_instrument_asked_for_is_found_or_named_as_missing(results):
    records = normalise.instruments(payload(results))
    publishable(records)
    known = any(isinstance(record, Instrument) for record in records)
    missing = [record for record in records if isinstance(record, Reject) and record.reason == "unknown ticker"]
    assert known != bool(missing)


@given(texts(splits))
def test_every_split_is_a_record_or_a_reject(results):
    records = normalise.splits(payload(results))
    publishable(records)
    assert all(isinstance(record, Split | Reject) for record in records)
    # The same split of one day that is listed twice is one.
    assert len(records) <= len(results)
    assert bool(records) == bool(results)
