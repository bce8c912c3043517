"""The same verdict on records and on columns, and a reason for each that can be counted."""

from __future__ import annotations

from decimal import Decimal
from math import inf, nan

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.normalise.fields import write_out
from include.surveillance.records import Bar, NewsItem, Split, Watermark
from include.surveillance.timespans import EARLIEST_MS, LATEST_MS, SPAN_MS
from include.surveillance.validity import (
    GRID_MS,
    OBJECTIONS,
    TIME_OUT_OF_RANGE,
    is_series_symbol,
    objection,
    objections,
    round_volume,
)
from tests.surveillance.files.rows import OPEN

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may hold the processor

NUMBERS = st.one_of(
    st.sampled_from([nan, inf, -inf, 0.0, -0.0, -1.0, 1.0, 2.0, 3.0, 1e12, 1e13, 1e308, 5e-324]),
    st.floats(0.5, 4),
    st.floats(),
)
VOLUMES = st.one_of(
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1e400", "-1e-400", "0", "-0", "-1", "5", "1e-7"]).map(Decimal),
    st.decimals(allow_nan=False),
)
TIMES = st.one_of(
    st.sampled_from(
        [-1, 0, 1, OPEN, OPEN + 1, OPEN // 1_000, OPEN * 1_000, OPEN * 10**6, LATEST_MS - 60_000, LATEST_MS]
    ),
    st.sampled_from([EARLIEST_MS, EARLIEST_MS - 60_000, 2**53 + 1, 2**62, 10**25]),
)
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["A", "BRK.B", "", "A|B", "A B", "Ü", "A" * 65]),
        st.sampled_from([*SPAN_MS, "week", ""]),
        TIMES,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        VOLUMES,
    ),
    min_size=1,
    max_size=20,
)


@UNHURRIED
@given(RECORDS)
def test_columns_are_objected_to_as_records_are(rows):
    expected, columns = [], []
    for symbol, timespan, ts_ms, *prices, volume in rows:
        named = dict(zip(("open", "high", "low", "close"), prices, strict=True))
        given = {"symbol": symbol, "timespan": timespan, "ts_ms": ts_ms, "volume": volume, **named}
        expected.append(objection(Bar(**given, revision="0123abcd")))
        shares = nan if volume.is_nan() else float(volume)
        grid = GRID_MS.get(timespan, 0)
        columns.append((is_series_symbol(symbol), grid, float(ts_ms), *prices, shares))
    known, grid_ms, *numbers = (np.array(column) for column in zip(*columns, strict=True))
    given = objections(known, grid_ms, *numbers)
    assert [OBJECTIONS[number - 1] if number else None for number in given] == expected


GOOD_BAR = {"symbol": "A", "timespan": "minute", "ts_ms": OPEN, "open": 2, "high": 3, "low": 1, "close": 2}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"timespan": "week"}, "unknown timespan"),
        ({"symbol": "A|B"}, "symbol unusable"),
        ({"ts_ms": LATEST_MS}, TIME_OUT_OF_RANGE),
        ({"polled_ms": -1}, TIME_OUT_OF_RANGE),
        ({"ts_ms": OPEN // 1_000}, "time in seconds, not milliseconds"),
        ({"ts_ms": OPEN * 1_000}, "time in microseconds, not milliseconds"),
        ({"ts_ms": OPEN * 10**6}, "time in nanoseconds, not milliseconds"),
        ({"ts_ms": OPEN + 1}, "off the grid"),
        ({"ts_ms": OPEN, "timespan": "hour"}, "off the grid"),
        ({"ts_ms": OPEN, "timespan": "day"}, None),
        ({"open": 0.0}, "price not positive"),
        ({"close": nan}, "price not finite"),
        ({"high": 1e300}, "price too large"),
        ({"high": 0.5}, "high below low"),
        ({"low": 2.5}, "open outside low-high"),
        ({"close": 3.5}, "close outside low-high"),
        ({"volume": Decimal("1e400")}, "volume not finite"),
        ({"volume": Decimal("1e300")}, "volume too large"),
        ({"volume": Decimal(-1)}, "negative volume"),
        ({"volume": Decimal(0)}, "no trade"),
        ({"volume": Decimal("0.000001")}, None),
        *(({"vwap": vwap}, None) for vwap in (inf, nan, 0.0, -1.0)),
        *(({"trades": trades}, None) for trades in (-1, 2**53)),
        ({"revision": "0000000G"}, "revision not eight hex digits"),
    ],
)
def test_a_bar_that_cannot_be_used_says_why(changes, reason):
    assert objection(Bar(**{**GOOD_BAR, "volume": Decimal(5)} | changes)) == reason


def test_watermarks_and_news_need_a_time_and_other_kinds_are_unexpected():
    mark = {"symbol": "A", "timespan": "minute", "from_ms": 0, "bars": 0}
    assert objection(Watermark(**mark, as_of_ms=OPEN)) is None
    assert objection(Watermark(**mark, as_of_ms=0)) == TIME_OUT_OF_RANGE
    assert objection(Watermark(**mark | {"timespan": "week"}, as_of_ms=OPEN)) == "unknown timespan"
    item = {"symbol": "A", "article_id": "a", "title": "t"}
    assert objection(NewsItem(**item, published_ms=OPEN)) is None
    assert objection(NewsItem(**item, published_ms=LATEST_MS)) == TIME_OUT_OF_RANGE
    assert (
        objection(Split(symbol="A", execution_date="2026-01-02", split_from=1, split_to=2)) == "unexpected kind split"
    )


@given(st.lists(st.decimals(0, 10**14, places=6), min_size=1) | st.lists(st.decimals(0, 10**6, places=9), min_size=1))
def test_volumes_are_rounded_as_the_vendors_are_and_those_of_six_decimals_stay(volumes):
    rounded = round_volume(np.array([float(volume) for volume in volumes]))
    expected = [float(write_out(volume)) for volume in volumes]
    np.testing.assert_allclose(rounded, expected, rtol=0, atol=1e-6)
    six = [number for number, volume in enumerate(volumes) if volume == round(volume, 6)]
    assert [rounded[number] for number in six] == [expected[number] for number in six]
