"""Files of bars are the same bars as records, and every row that is none is set aside with its reason."""

from __future__ import annotations

from decimal import Decimal
from math import inf, nan

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import BarColumns
from include.surveillance.files.bars import compute_revisions, read_bars
from include.surveillance.records import Bar, bar_revision
from include.surveillance.validity import TIME_OUT_OF_RANGE
from tests.surveillance.files.rows import GOOD, HEADER, OPEN, csv, parquet, reasons

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may hold the processor

PRICE = st.floats(0.01, 1e6)
BARS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "NA"]),
        st.sampled_from(["minute", "day"]),
        st.integers(1, 40).map(lambda minute: OPEN + minute * 60_000),
        PRICE,
        PRICE,
        st.decimals("0.000001", 10**9, places=6),
        st.none() | PRICE,
        st.none() | st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=30,
)


@UNHURRIED
@given(bars=BARS, form=st.sampled_from(["csv", "float", "decimal"]))
def test_a_file_is_the_same_bars_as_records(tmp_path_factory, bars, form):
    records = [
        Bar(
            symbol=symbol,
            timespan=timespan,
            ts_ms=ts_ms,
            open=one,
            high=max(one, other),
            low=min(one, other),
            close=other,
            volume=Decimal(str(float(volume))) if form == "float" else volume,
            vwap=vwap,
            trades=trades,
        )
        for symbol, timespan, ts_ms, one, other, volume, vwap, trades in bars
    ]
    names = [*HEADER.split(","), "vwap", "trades"]
    rows = [{name: getattr(record, name) for name in names} for record in records]
    folder = tmp_path_factory.mktemp("bars")
    if form == "csv":
        lines = [",".join("" if row[name] is None else str(row[name]) for name in names) for row in rows]
        path = csv(folder, *lines, header=",".join(names))
    elif form == "decimal":
        path = parquet(folder, rows, volume=pa.decimal128(24, 6))
    else:
        path = parquet(folder, [row | {"volume": float(row["volume"])} for row in rows])
    newest = {(record.symbol, record.timespan, record.ts_ms): record for record in records}
    ordered = [newest[key] for key in sorted(newest)]
    read = read_bars(path)
    assert read.rejects.num_rows == 0
    assert read.counts["rows"] == len(records) == len(ordered) + read.counts["duplicate"] + read.counts["corrected"]
    expected = BarColumns.from_records(ordered)
    assert read.bars.keys == expected.keys
    for name in ("code", "ts", "open", "high", "low", "close", "volume", "revision"):
        assert getattr(read.bars, name).tobytes() == getattr(expected, name).tobytes(), name


def test_bad_rows_are_set_aside_with_the_row_and_the_reason(tmp_path):
    lines = [
        f"NVDA,minute,{OPEN},100,101,99,100,1000",
        "NVDA,minute,x,1,1,1,1,1",
        "NVDA,minute,1.5,1,1,1,1,1",
        f"NVDA,minute,{OPEN},100,101,99,100,lots",
        "NVDA,minute",
        f"NVDA,minute,{OPEN},nan,101,99,100,1",
        f"NVDA,minute,{OPEN},100,inf,99,100,1",
        f"NVDA,minute,{OPEN},100,101,-99,100,1",
        f"NVDA,minute,{OPEN},100,101,99,0,1",
        f"NVDA,minute,{OPEN},100,101,99,,1",
        f"NVDA,minute,{OPEN},100,101,99,100,-1",
        f"NVDA,minute,{OPEN},100,100,101,100,1",
        f'"NV""DA,",week,{OPEN},1,1,1,1,1',
        f",minute,{OPEN},1,1,1,1,1",
        "NVDA,minute,99999999999999999999,1,1,1,1,1",
        "NVDA,minute,0,1,1,1,1,1,1",
        f" NA,minute, {OPEN} ,+1,1e0,1.,.1e1,1_0",
    ]
    read = read_bars(csv(tmp_path, *lines))
    assert [(row["row"], row["reason"]) for row in read.rejects.to_pylist()] == [
        (1, "ts_ms is no time"),
        (2, TIME_OUT_OF_RANGE),
        (3, "volume is no number"),
        (4, "wrong number of fields"),
        (5, "price not finite"),
        (6, "price not finite"),
        (7, "price not positive"),
        (8, "price not positive"),
        (9, "close is no number"),
        (10, "negative volume"),
        (11, "high below low"),
        (12, "unknown timespan"),
        (13, "symbol is no text"),
        (14, TIME_OUT_OF_RANGE),
        (15, "wrong number of fields"),
    ]
    raw = read.rejects["raw"].to_pylist()
    assert [raw[at] for at in (2, 3, 11)] == [lines[at] for at in (3, 4, 12)]
    assert set(read.rejects["file"].to_pylist()) == {"bars.csv"}
    assert [key[0] for key in read.bars.keys] == ["NA", "NVDA"]
    assert read.counts["rows"] == len(lines) == len(read.bars) + read.rejects.num_rows


def test_typed_columns_of_parquet(tmp_path):
    rows = [
        GOOD | {"ts_ms": float(OPEN)},
        GOOD | {"ts_ms": OPEN + 0.5},
        GOOD | {"ts_ms": nan},
        GOOD | {"ts_ms": 2.0**53 + 2},
        GOOD | {"ts_ms": 1e300},
        GOOD | {"symbol": None},
        GOOD | {"close": None},
        GOOD | {"volume": None},
        GOOD | {"trades": 1.5},
        GOOD | {"vwap": inf},
    ]
    read = read_bars(parquet(tmp_path, rows, ts_ms=pa.float64(), trades=pa.float64(), volume=pa.decimal128(20, 2)))
    assert reasons(read.rejects) == [
        "off the grid",
        "ts_ms is no time",
        "time in nanoseconds, not milliseconds",
        TIME_OUT_OF_RANGE,
        "symbol is no text",
        "close is no number",
        "volume is no number",
    ]
    assert (read.bars.ts.tolist(), read.bars.ts.dtype) == ([OPEN], np.int64)


def test_of_two_rows_for_one_bar_the_later_holds_and_both_are_counted(tmp_path):
    first, other, last = (f"NVDA,minute,{OPEN},100,101,99,{close},1000" for close in (100, 99.5, 100.5))
    read = read_bars(csv(tmp_path, f"NVDA,minute,{OPEN + 60_000},100,101,99,100,1", first, first, other, last))
    assert read.bars.close.tolist() == [100.5, 100.0]
    assert (read.counts["duplicate"], read.counts["corrected"], read.counts["rows"]) == (1, 2, 5)


def test_a_correction_of_what_is_optional_is_one(tmp_path):
    rows = [GOOD, GOOD | {"vwap": 100.2}]
    assert read_bars(parquet(tmp_path, rows)).counts["corrected"] == 1


def test_a_header_alone_is_no_bars(tmp_path):
    read = read_bars(csv(tmp_path))
    assert (len(read.bars), read.bars.keys, read.rejects.num_rows, read.counts["rows"]) == (0, [], 0, 0)


@given(
    st.lists(
        st.tuples(*[st.floats(width=64)] * 5, *[st.just(nan) | st.floats(0, 1e9)] * 2),
        min_size=1,
        max_size=20,
    )
)
def test_the_revision_of_a_column_is_the_revision_of_each_record(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    expected = [bar_revision(*(nan if value != value else value for value in row)) for row in rows]
    assert compute_revisions(*columns).tolist() == expected
