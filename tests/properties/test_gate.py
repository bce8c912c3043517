"""A file and the vendor's API judge the same row in the same way: the same bar, bit for bit, or the same reason."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.surveillance import normalise
from include.surveillance.detection.columns import BarColumns
from include.surveillance.files.bars import read_bars
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Reject
from include.surveillance.timespans import EARLIEST_MS, LATEST_MS
from include.surveillance.validity import OBJECTIONS

OPEN, MINUTE = 1_550_154_600_000, 60_000
NAMES = {"ts_ms": "t", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v", "vwap": "vw", "trades": "n"}
GOOD = {"ts_ms": OPEN, "open": 100, "high": 101, "low": 99, "close": 100.5, "volume": 1200, "vwap": 100.1, "trades": 7}
ODD = [
    "",
    "-",
    "N/A",
    "null",
    "NaN",
    "inf",
    "-Infinity",
    "0",
    "-0",
    "1e300",
    "-1",
    "1e-400",
    "1e400",
    "x",
    "5e-324",
]
STAMPS = [OPEN, OPEN + MINUTE, OPEN + 1, OPEN // 1_000, OPEN * 1_000, OPEN * 10**6, 0, -OPEN, 5, 2**62]

numbers = st.sampled_from(ODD) | st.floats(0.5, 4).map(repr) | st.integers(-1, 10**16).map(str) | st.floats().map(repr)
rows = st.fixed_dictionaries(
    {"ts_ms": st.sampled_from(STAMPS).map(str)},
    optional={name: numbers | st.just(str(GOOD[name])) for name in NAMES if name != "ts_ms"},
).map(lambda row: {name: str(value) for name, value in GOOD.items()} | row)


def judge_as_api(symbol: str, row: dict[str, str]) -> Bar | Reject:
    """What a poll of all years makes of a row, whose cells are texts."""
    raw = json.dumps({NAMES[name]: cell for name, cell in row.items()}).encode()
    asked = {"symbols": (symbol,), "timespan": "minute", "from_ms": EARLIEST_MS, "to_ms": LATEST_MS}
    return normalise.bars(Payload((raw,), LATEST_MS, **asked), source="backfill")[0]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given=st.lists(rows, min_size=1, max_size=12), form=st.sampled_from(["csv", "parquet"]))
@example(given=[{name: str(value) for name, value in GOOD.items()} | {"volume": "-3e-166"}], form="csv")
@example(given=[{name: str(value) for name, value in GOOD.items()} | {"trades": "-0"}], form="csv")
def test_a_file_and_the_api_judge_alike(folder, given, form):
    # In a file most times are of one unit, as here: of milliseconds.
    many = [*given, *[{name: str(value) for name, value in GOOD.items()}] * (len(given) + 1)]
    said = [{"symbol": f"S{number}", "timespan": "minute"} | row for number, row in enumerate(many)]
    columns = {name: [row.get(name, "") for row in said] for name in ("symbol", "timespan", *NAMES)}
    if form == "csv":
        pv.write_csv(pa.table(columns), folder / "bars.csv")
    else:
        pq.write_table(pa.table(columns), folder / "bars.parquet")
    read = read_bars(folder / f"bars.{form}")
    reasons = dict(zip(read.rejects["row"].to_pylist(), read.rejects["reason"].to_pylist(), strict=True))
    bars = {read.bars.key(at)[0]: at for at in range(len(read.bars))}
    for number, row in enumerate(given):
        expected, symbol = judge_as_api(f"S{number}", row), f"S{number}"
        assert (symbol in bars) == isinstance(expected, Bar), (row, reasons.get(number), expected)
        if isinstance(expected, Bar):
            one, at = BarColumns.from_records([expected]), bars[symbol]
            for name in ("ts", "open", "high", "low", "close", "volume", "revision"):
                assert getattr(read.bars, name)[at].tobytes() == getattr(one, name)[0].tobytes(), (name, row)
        elif expected.reason in OBJECTIONS:
            assert reasons[number] == expected.reason, row


@given(st.permutations([100.25, 100.5, 100.5]))
def test_of_two_rows_for_one_bar_both_keep_the_later(folder, closes):
    told = [GOOD | {"close": close} for close in closes]
    columns = {name: [row[name] for row in told] for name in NAMES}
    pq.write_table(pa.table(columns | {"symbol": ["A"] * 3, "timespan": ["minute"] * 3}), folder / "bars.parquet")
    read = read_bars(folder / "bars.parquet")
    raw = tuple(json.dumps({NAMES[name]: value for name, value in row.items()}).encode() for row in told)
    asked = {"symbols": ("A",), "timespan": "minute", "from_ms": EARLIEST_MS, "to_ms": LATEST_MS}
    bar, *rejects, _ = normalise.bars(Payload(raw, LATEST_MS, **asked), source="backfill")
    assert read.bars.event_ids(slice(None)) == [bar.event_id]
    counted = Counter(reject.reason for reject in rejects)
    assert counted["duplicate bar"] == read.counts["duplicate"]
    assert counted["duplicate bar with other values"] == read.counts["corrected"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gate")
