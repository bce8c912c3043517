"""A file's rows become the records that a poll of the same bars brings."""

from __future__ import annotations

import gzip
import json

import pytest

from include.surveillance import normalise, wire
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_records import read_records
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Reject, Watermark
from tests.surveillance.files.rows import OPEN

MINUTE = 60_000
END = OPEN + 10 * MINUTE
HEADER = "ticker,volume,open,close,high,low,window_start,transactions"
ROWS = [
    ("AAPL", OPEN + MINUTE, 1200.5, 100, 100.25, 101, 99, 17),
    ("AAPL", OPEN, 1e9, 100, 100.5, 101, 99, ""),
    ("MSFT", OPEN, 7, 10, 10, 10, 10, 1),
    ("AAPL", OPEN + 2 * MINUTE, 0, 100, 100, 100, 100, 0),
    ("AAPL", OPEN + 3 * MINUTE, 5, 100, 100, 99, 101, 3),
    ("XYZ", OPEN + 4 * MINUTE, -5, 100, 100, 99, 101, 3),
    ("AAPL", END, 5, 100, 100, 100, 100, 3),
]


@pytest.fixture
def path(tmp_path):
    lines = [f"{name},{v},{o},{c},{h},{low},{ts}000000,{n}" for name, ts, v, o, c, h, low, n in ROWS]
    path = tmp_path / "2019-02-14.csv.gz"
    path.write_bytes(gzip.compress("\n".join([HEADER, *lines]).encode()))
    return path


def polled(symbol: str) -> list:
    results = [
        {"t": ts, "o": o, "h": h, "l": low, "c": c, "v": v, "n": None if n == "" else n}
        for name, ts, v, o, c, h, low, n in ROWS
        if name == symbol
    ]
    raw = tuple(json.dumps(result).encode() for result in results)
    asked = {"symbols": (symbol,), "timespan": "minute", "from_ms": OPEN, "to_ms": END}
    return normalise.bars(Payload(raw, 2**41, **asked), source="backfill")


def test_the_records_are_those_of_a_poll(path):
    records = list(read_records(path, ["AAPL", "MSFT", "NONE"], "minute", OPEN, END))
    expected = [*polled("AAPL"), *polled("MSFT"), *polled("NONE")]
    for kind in (Bar, Watermark):
        read = [record.event_id for record in records if isinstance(record, kind)]
        assert sorted(read) == sorted(record.event_id for record in expected if isinstance(record, kind))
    bars = [record for record in records if isinstance(record, Bar)]
    assert [bar.ts_ms for bar in bars] == sorted(bar.ts_ms for bar in bars)
    assert {str(bar.volume) for bar in bars} == {"1200.5", "1000000000", "7"}
    marks = {it.symbol: (it.bars, it.rejected, it.reject_reasons) for it in records if isinstance(it, Watermark)}
    assert marks == {
        it.symbol: (it.bars, it.rejected, it.reject_reasons) for it in expected if isinstance(it, Watermark)
    }
    assert all(wire.decode(wire.encode(record)) == record for record in records)


def test_a_row_that_is_no_bar_is_a_reject_with_its_symbol_and_its_text(path):
    rejects = [it for it in read_records(path, ["AAPL"], "minute", OPEN, END) if isinstance(it, Reject)]
    assert [(it.symbol, it.reason, it.detail, it.source) for it in rejects] == [
        ("AAPL", "no trade", "row 3 of 2019-02-14.csv.gz", "backfill"),
        ("AAPL", "high below low", "row 4 of 2019-02-14.csv.gz", "backfill"),
    ]
    assert rejects[1].raw == f"AAPL,5,100,100,99,101,{OPEN + 3 * MINUTE}000000,3"


def test_bars_of_another_timespan_are_refused(path):
    with pytest.raises(ConfigurationError, match=r"2019-02-14.csv.gz has minute bars, and day bars are asked for"):
        list(read_records(path, ["AAPL"], "day", OPEN, END))
