"""The same verdict on records and on columns, and a reason for each that can be counted."""

from __future__ import annotations

from decimal import Decimal
from math import inf, nan

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.records import Bar, NewsItem, Split, Watermark
from include.surveillance.timespans import SPAN_MS
from include.surveillance.validity import LATEST_MS, OBJECTIONS, objection, objections
from tests.surveillance.files.rows import OPEN

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may hold the processor

NUMBERS = st.one_of(
    st.sampled_from([nan, inf, -inf, 0.0, -0.0, -1.0, 1.0, 2.0, 3.0, 1e308, 5e-324]), st.floats(0.5, 4), st.floats()
)
VOLUMES = st.one_of(
    st.sampled_from(["NaN", "sNaN", "Infinity", "-Infinity", "1e400", "-1e-400", "0", "-0", "-1", "5"]).map(Decimal),
    st.decimals(),
)
TIMES = st.one_of(st.sampled_from([-1, 0, 1, OPEN, LATEST_MS - 1, LATEST_MS, 2**53 + 1, 2**62]), st.integers(-5, 5))
RECORDS = st.lists(
    st.tuples(st.sampled_from([*SPAN_MS, "week", ""]), TIMES, NUMBERS, NUMBERS, NUMBERS, NUMBERS, VOLUMES, NUMBERS),
    min_size=1,
    max_size=20,
)


@UNHURRIED
@given(RECORDS)
def test_columns_are_objected_to_as_records_are(rows):
    expected, columns = [], []
    for timespan, ts_ms, open_, high, low, close, volume, vwap in rows:
        bar = Bar(
            symbol="A",
            timespan=timespan,
            ts_ms=ts_ms,
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=volume,
            vwap=vwap,
            revision="0123abcd",
        )
        expected.append(objection(bar))
        shares = nan if volume.is_nan() else float(volume)
        columns.append((timespan in SPAN_MS, float(ts_ms), open_, high, low, close, shares, vwap))
    known, *numbers = (np.array(column) for column in zip(*columns, strict=True))
    given = objections(known, *numbers)
    assert [OBJECTIONS[number - 1] if number else None for number in given] == expected


GOOD_BAR = {"symbol": "A", "timespan": "minute", "ts_ms": OPEN, "open": 2, "high": 3, "low": 1, "close": 2}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"timespan": "week"}, "unknown timespan"),
        ({"ts_ms": LATEST_MS}, "time out of range"),
        ({"polled_ms": -1}, "time out of range"),
        ({"open": 0.0}, "price not positive"),
        ({"close": nan}, "price not positive"),
        ({"low": 2.5}, "high or low inside the bar"),
        ({"volume": Decimal("1e400")}, "volume not a number or negative"),
        ({"vwap": inf}, "vwap not finite"),
        ({"vwap": nan}, None),
        ({"trades": -1}, "trades out of range"),
        ({"trades": 2**53}, "trades out of range"),
        ({"revision": "0000000G"}, "revision not eight hex digits"),
    ],
)
def test_a_bar_that_cannot_be_used_says_why(changes, reason):
    assert objection(Bar(**{**GOOD_BAR, "volume": Decimal(5)} | changes)) == reason


def test_watermarks_and_news_need_a_time_and_other_kinds_are_unexpected():
    mark = {"symbol": "A", "timespan": "minute", "from_ms": 0, "bars": 0}
    assert objection(Watermark(**mark, as_of_ms=OPEN)) is None
    assert objection(Watermark(**mark, as_of_ms=0)) == "time out of range"
    assert objection(Watermark(**mark | {"timespan": "week"}, as_of_ms=OPEN)) == "unknown timespan"
    item = {"symbol": "A", "article_id": "a", "title": "t"}
    assert objection(NewsItem(**item, published_ms=OPEN)) is None
    assert objection(NewsItem(**item, published_ms=LATEST_MS)) == "time out of range"
    assert (
        objection(Split(symbol="A", execution_date="2026-01-02", split_from=1, split_to=2)) == "unexpected kind split"
    )
