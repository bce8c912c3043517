"""Files of rows: what is kept, what is set aside and why; the same verdict as on single records."""

from __future__ import annotations

from decimal import Decimal
from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.metric_records import volume_ratio
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bars import read_bars
from include.surveillance.files.results import schema_of, write_alerts, write_metrics, write_rejects
from include.surveillance.files.side_files import (
    read_alerts,
    read_dividends,
    read_labels,
    read_news,
    read_splits,
    read_ticker_changes,
)
from include.surveillance.records import SPAN_MS, Alert, Bar, Metric
from include.surveillance.validity import LATEST_MS, OBJECTIONS, objection, objections

OPEN = 1_550_154_600_000
HEADER = "symbol,timespan,ts_ms,open,high,low,close,volume"
GOOD = dict(symbol="NVDA", timespan="minute", ts_ms=OPEN, open=100.0, high=101.0, low=99.0, close=100.0, volume=1000)

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other work may hold the processor


def csv(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text("\n".join([header, *lines]))
    return path


def parquet(tmp_path: Path, rows: list[dict], **types: pa.DataType) -> Path:
    path = tmp_path / "bars.parquet"
    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.table({name: pa.array([row.get(name) for row in rows], types.get(name)) for name in names}), path)
    return path


def reasons(rejects: pa.Table) -> list[str]:
    return rejects["reason"].to_pylist()


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
            revision="any",
        )
        expected.append(objection(bar))
        shares = nan if volume.is_nan() else float(volume)
        columns.append((timespan in SPAN_MS, float(ts_ms), open_, high, low, close, shares, vwap))
    known, *numbers = (np.array(column) for column in zip(*columns, strict=True))
    found = objections(known, *numbers)
    assert [OBJECTIONS[number - 1] if number else None for number in found] == expected


PRICE = st.floats(0.01, 1e6)
BARS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "NA"]),
        st.sampled_from(["minute", "day"]),
        st.integers(1, 40),
        PRICE,
        PRICE,
        st.decimals(0, 10**12, places=6),
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
    expected = BarColumns.of(ordered)
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
        (1, "ts_ms is no number"),
        (2, "ts_ms is no whole number"),
        (3, "volume is no number"),
        (4, "wrong number of fields"),
        (5, "price not positive"),
        (6, "price not positive"),
        (7, "price not positive"),
        (8, "price not positive"),
        (9, "close is no number"),
        (10, "volume not a number or negative"),
        (11, "high or low inside the bar"),
        (12, "unknown timespan"),
        (13, "symbol is no text"),
        (14, "time out of range"),
        (15, "wrong number of fields"),
    ]
    raw = read.rejects["raw"].to_pylist()
    assert [raw[at] for at in (2, 3, 11)] == [lines[at] for at in (3, 4, 12)]
    assert set(read.rejects["file"].to_pylist()) == {"bars.csv"}
    assert [key[0] for key in read.bars.keys] == [" NA", "NVDA"]
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
        "ts_ms is no whole number",
        "ts_ms is no whole number",
        "time out of range",
        "time out of range",
        "symbol is no text",
        "close is no number",
        "volume is no number",
        "trades is no whole number",
        "vwap not finite",
    ]
    assert (read.bars.ts.tolist(), read.bars.ts.dtype) == ([OPEN], np.int64)


@pytest.mark.parametrize(
    ("column", "type_", "cells", "reason"),
    [
        ("open", pa.string(), ["100", "abc"], "open is no number"),
        ("open", pa.bool_(), [True, False], "open is no number"),
        ("ts_ms", pa.timestamp("ms"), [OPEN, OPEN], "ts_ms is no number"),
        ("symbol", pa.int64(), [1, 2], "symbol is no text"),
        ("symbol", pa.binary(), [b"A", b"\xff"], "symbol is no text"),
        ("volume", pa.list_(pa.int64()), [[1], [2]], "volume is no number"),
    ],
)
def test_columns_of_another_type(tmp_path, column, type_, cells, reason):
    read = read_bars(parquet(tmp_path, [GOOD | {column: cell} for cell in cells], **{column: type_}))
    assert reasons(read.rejects) == [reason] * (2 - len(read.bars))
    assert read.rejects.num_rows >= 1


def test_dictionaries_and_large_strings_are_texts(tmp_path):
    frame = pd.DataFrame([GOOD, GOOD | {"ts_ms": OPEN + 60_000}]).astype({"symbol": "category"})
    frame.to_parquet(tmp_path / "bars.parquet")
    assert len(read_bars(tmp_path / "bars.parquet").bars) == 2


def test_of_two_rows_for_one_bar_the_later_holds_and_both_are_counted(tmp_path):
    first, other, last = (f"NVDA,minute,{OPEN},100,101,99,{close},1000" for close in (100, 99.5, 100.5))
    read = read_bars(csv(tmp_path, f"NVDA,minute,{OPEN + 60_000},100,101,99,100,1", first, first, other, last))
    assert read.bars.close.tolist() == [100.5, 100.0]
    assert (read.counts["duplicate"], read.counts["corrected"], read.counts["rows"]) == (1, 2, 5)


def test_a_correction_of_what_is_optional_is_one(tmp_path):
    rows = [GOOD, GOOD | {"vwap": 100.2}]
    assert read_bars(parquet(tmp_path, rows)).counts["corrected"] == 1


def test_bytes_that_are_no_text_cost_one_row(tmp_path):
    path = csv(tmp_path, f"NVDA,minute,{OPEN},100,101,99,100,1000")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + f"\nNV\xff,minute,{OPEN},1,1,1,1,1\n".encode("latin-1"))
    read = read_bars(path)
    assert (len(read.bars), reasons(read.rejects)) == (1, ["symbol is no text"])
    assert read.rejects["raw"][0].as_py().startswith("NV\\xff,")


@pytest.mark.parametrize("reader", [read_bars, read_news, read_splits, read_labels, read_alerts, read_dividends])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty; it needs the columns"),
        ("empty.parquet", b"", "is empty; it needs the columns"),
        ("blank.csv", b"\n\n", "is empty; it needs the columns"),
        ("magic.parquet", b"symbol,ts_ms\n", "is no Parquet file"),
        ("cut.parquet", b"PAR1\x00\x00\x00PAR1", "cannot be read"),
        ("binary.csv", bytes(range(256)), "lacks column|cannot be read"),
        ("other.csv", b"a,b\n1,2\n", "lacks column .*; it has a, b"),
        ("folder", None, "cannot be read: Is a directory"),
        ("absent.csv", None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_table_is_one_clear_sentence(tmp_path, reader, name, content, message):
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as raised:
        reader(tmp_path / name)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700


def test_a_column_given_twice_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="two columns of one name"):
        read_bars(csv(tmp_path, header=f"{HEADER},open"))


def test_a_header_alone_is_no_bars(tmp_path):
    read = read_bars(csv(tmp_path))
    assert (len(read.bars), read.bars.keys, read.rejects.num_rows, read.counts["rows"]) == (0, [], 0, 0)


def test_batches_of_one_file_share_codes_and_row_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("include.surveillance.files.tables.ROWS", 2)
    rows = [GOOD | {"symbol": symbol, "close": close} for symbol, close in (("C", 1), ("B", 100), ("A", 100), ("B", 0))]
    read = read_bars(parquet(tmp_path, [*rows, GOOD]))
    assert read.bars.keys == [("A", "minute"), ("B", "minute"), ("NVDA", "minute")]
    assert read.bars.code.tolist() == [0, 1, 2]
    assert read.rejects["row"].to_pylist() == [0, 3]


def test_news(tmp_path):
    path = tmp_path / "news.csv"
    path.write_text(
        f'symbol,article_id,published_ms,title,sentiment,tickers\nNA,a1,{OPEN},"Two\nlines, one",negative,"NA, B"\n'
        f"B,a2,{OPEN},Title,,\nB,a3,x,Title,,\nB,a4,{OPEN},Title,furious,\nB,a5,0,Title,,\n"
    )
    items, rejects = read_news(path)
    assert [(item.symbol, item.sentiment, item.tickers) for item in items] == [
        ("NA", "negative", ("NA", "B")),
        ("B", None, ()),
    ]
    assert items[0].title == "Two\nlines, one"
    unknown = "sentiment is none of positive, neutral, negative"
    assert reasons(rejects) == ["published_ms is no number", unknown, "time out of range"]


def test_corporate_actions(tmp_path):
    splits = tmp_path / "splits.csv"
    splits.write_text("ticker,execution_date,split_from,split_to\nA,2019-02-15,1,2\nA,soon,1,2\nA,2019-02-16,0,2\n")
    records, rejects = read_splits(splits)
    assert [(split.symbol, split.execution_date, split.split_to) for split in records] == [("A", "2019-02-15", 2.0)]
    assert reasons(rejects) == ["execution_date is no date", "split ratio not positive"]
    dates = pd.DataFrame({"ticker": ["A"], "ex_dividend_date": [pd.Timestamp("2019-02-15").date()], "cash_amount": [1]})
    dates.to_parquet(tmp_path / "dividends.parquet")
    dividends, rejects = read_dividends(tmp_path / "dividends.parquet")
    assert [(dividend.ex_date, dividend.cash_amount) for dividend in dividends] == [("2019-02-15", 1.0)]
    changes = tmp_path / "changes.csv"
    changes.write_text("ticker,new_ticker,date\nFB,META,2022-06-09\nFB,,2022-06-09\n")
    moved, rejects = read_ticker_changes(changes)
    assert ([change.new_symbol for change in moved], reasons(rejects)) == (["META"], ["new_ticker is no text"])


def test_labels(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(f"symbol,start_ms,end_ms,kind\nA,{OPEN},{OPEN},gap\nA,{OPEN},{OPEN - 1},gap\nA,1e300,1,gap\n")
    labels, rejects = read_labels(path)
    assert labels.to_dict("records") == [{"symbol": "A", "start_ms": OPEN, "end_ms": OPEN, "kind": "gap"}]
    assert reasons(rejects) == ["end before start", "time out of range"]


def test_metrics_are_written_as_records_would_be(tmp_path):
    bars = [
        Bar(symbol="A", timespan="minute", ts_ms=OPEN + at * 60_000, open=1, high=1, low=1, close=1, volume=Decimal(6))
        for at in range(3)
    ]
    columns, mean = BarColumns.of(bars), np.array([nan, 2.0, 0.0])
    write_metrics(
        tmp_path / "metrics.parquet",
        columns,
        {"volume_mean": mean, "volume_ratio": volume_ratio(columns.volume, mean)},
        phase=np.array([0, 1, 1], dtype=np.uint8),
        phases=("pre", "regular"),
        session=np.array([17941, 17941, 17942], dtype=np.int32),
        profile=np.array([-1, 0, 0]),
        profile_versions=("2019-02-13|aa",),
    )
    rows = pq.read_table(tmp_path / "metrics.parquet")
    assert rows.schema.equals(schema_of(Metric))
    first, second, third = rows.to_pylist()
    assert (first["volume_mean"], first["volume_ratio"], first["profile_version"]) == (None, None, None)
    assert (second["volume_ratio"], second["profile_version"], third["volume_ratio"]) == (3.0, "2019-02-13|aa", None)
    assert [row["session_date"] for row in (first, third)] == ["2019-02-14", "2019-02-15"]
    assert [row["bar_event_id"] for row in (first, second, third)] == [bar.event_id for bar in bars]
    metric = Metric(symbol="A", timespan="minute", ts_ms=OPEN, bar_event_id="", close=1, volume=6)
    assert (first["event_id"], first["source"], first["session_phase"]) == (metric.event_id, "live", "pre")


def test_nothing_found_is_an_empty_table_with_its_columns(tmp_path):
    write_alerts(tmp_path / "alerts.parquet", [])
    write_rejects(tmp_path / "rejected.parquet", [])
    assert pq.read_table(tmp_path / "alerts.parquet").column_names == list(Alert.__struct_fields__)
    alerts, _ = read_alerts(tmp_path / "alerts.parquet")
    assert len(alerts) == 0
    assert not isnan(pq.read_table(tmp_path / "rejected.parquet").num_rows)
