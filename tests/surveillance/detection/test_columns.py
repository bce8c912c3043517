"""Bars as columns hold what the records hold."""

from __future__ import annotations

from math import isnan

from hypothesis import given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import COLUMNS, OPTIONAL, BarColumns
from include.surveillance.records import Bar
from tests.surveillance.detection.market import bar

bars = st.builds(
    lambda minute, volume, **over: bar(minute, volume=volume, **over),
    minute=st.integers(0, 400),
    volume=st.integers(0, 10**9),
    close=st.sampled_from([99.25, 100.0, 1e-4, 4.5e5]),
    symbol=st.sampled_from(["NVDA", "BRK.B"]),
    timespan=st.sampled_from(["minute", "day"]),
    source=st.sampled_from(["live", "backfill"]),
    vwap=st.sampled_from([None, 99.5]),
    trades=st.sampled_from([None, 0, 17]),
)


@settings(deadline=None, max_examples=50)
@given(log=st.lists(bars, max_size=30), data=st.data())
def test_columns_hold_what_the_records_hold_and_so_does_any_part_of_them(log: list[Bar], data):
    columns = BarColumns.from_records(log)
    index = data.draw(st.lists(st.integers(0, len(log) - 1), max_size=10)) if log else []
    asked = [log[i].event_id for i in index]
    assert columns.event_ids(index) == asked  # before and after others have been made
    for part, records in ((columns, log), (columns.take(index), [log[i] for i in index])):
        assert len(part) == len(records)
        assert part.event_ids(slice(None)) == [it.event_id for it in records]
        for i, it in enumerate(records):
            assert part.key(i) == (it.symbol, it.timespan)
            assert part.event_id(i) == it.event_id
            values = {name: getattr(part, name)[i] for name in COLUMNS if name != "code"}
            values |= {name: None if isnan(values[name]) else values[name] for name in OPTIONAL}
            assert values == {
                "ts": it.ts_ms, "open": it.open, "high": it.high, "low": it.low, "close": it.close,
                "volume": float(it.volume), "revision": int(it.revision, 16), "polled": it.polled_ms,
                "live": it.source == "live", "vwap": it.vwap, "trades": it.trades,
            }  # fmt: skip
    assert columns.event_ids(index) == asked


def test_codes_count_series_in_the_order_of_their_first_bars():
    columns = BarColumns.from_records([bar(0, symbol="B"), bar(0, symbol="A"), bar(1, symbol="B")])
    assert columns.keys == [("B", "minute"), ("A", "minute")]
    assert columns.code.tolist() == [0, 1, 0]
