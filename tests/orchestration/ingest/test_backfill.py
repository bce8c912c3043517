"""A backfill: its spans cover the range once, bars come in the order of time."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.orchestration.ingest.backfill import cut_range, plan_tasks, poll_spans, publish_files
from include.surveillance.errors import ConfigurationError, VendorUnavailableError
from include.surveillance.files.flat_files import Folder
from include.surveillance.polygon.client import Payload
from include.surveillance.records import Bar, Reject
from include.surveillance.timespans import DAY_MS, HOUR_MS, write_utc

NOW_MS = 1_795_199_400_000


@given(st.integers(1, 400), st.integers(1, 30))
def test_spans_cover_the_range_once_and_in_order(hours, days):
    spans = cut_range(NOW_MS - hours * HOUR_MS, NOW_MS, days)
    assert (spans[0][0], spans[-1][1]) == (NOW_MS - hours * HOUR_MS, NOW_MS)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all(0 < high - low <= days * DAY_MS for low, high in spans)


@given(st.integers(1, 40), st.integers(1, 12))
def test_every_symbol_is_in_one_group(count, size):
    symbols = [f"S{number:02}" for number in range(count)]
    tasks = plan_tasks(symbols, size)
    assert [symbol for group in tasks for symbol in group["symbols"]] == symbols
    assert max(len(group["symbols"]) for group in tasks) <= size
    assert len({group["name"] for group in tasks}) == len(tasks)


@pytest.mark.parametrize("word", ["{{ 7*7 }}", "../A", "a b"])
def test_a_word_that_is_no_ticker_is_in_no_group(word):
    with pytest.raises(ConfigurationError, match="no ticker"):
        plan_tasks(["AAPL", word], 10)


class Vendor:
    """Answers every question with one bar per symbol and span; one symbol is refused in one span, one has no bars."""

    def __init__(self, refused=None, silent=None):
        self.refused, self.silent = refused, silent

    def sharing_patience(self):
        return self

    def bars(self, symbol, timespan, from_ms, to_ms):
        if (symbol, from_ms) == self.refused:
            raise VendorUnavailableError("busy")
        raw = json.dumps({"t": from_ms, "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}).encode()
        about = {"symbols": (symbol,), "timespan": timespan, "from_ms": from_ms, "to_ms": to_ms}
        return Payload(() if symbol == self.silent else (raw,), polled_ms=to_ms + 1, **about)


class Published:
    def __init__(self):
        self.bars, self.rejects = [], []

    def publish(self, records):
        records = list(records)
        new = [record for record in records if isinstance(record, Bar)]
        self.rejects += [record for record in records if isinstance(record, Reject)]
        self.bars += [(bar.symbol, bar.ts_ms) for bar in new]
        return {"polygon.bars.raw": len(new)}


START = NOW_MS - 3 * 60_000
SPANS = [(START + minute * 60_000, START + (minute + 1) * 60_000) for minute in range(3)]


def test_each_symbols_bars_come_in_the_order_of_time():
    published = Published()
    assert poll_spans(Vendor(), published, ["A", "B"], "minute", SPANS) == {"polygon.bars.raw": 6}
    assert [ts for symbol, ts in published.bars if symbol == "B"] == [from_ms for from_ms, _ in SPANS]


def test_a_refused_symbol_holds_later_days_back_but_not_the_others_of_its_day():
    published = Published()
    with pytest.raises(VendorUnavailableError, match="busy"):
        poll_spans(Vendor(refused=("A", START + 60_000)), published, ["A", "B"], "minute", SPANS)
    assert published.bars == [("A", START), ("B", START), ("B", START + 60_000)]


def test_a_symbol_without_any_bar_is_named_in_the_log_and_among_the_rejects(caplog):
    published = Published()
    poll_spans(Vendor(silent="NOSUCH"), published, ["A", "NOSUCH"], "minute", SPANS)
    assert f"0 bars for NOSUCH from {write_utc(START)} to {write_utc(NOW_MS)}" in caplog.text
    (reject,) = published.rejects
    assert (reject.symbol, reject.reason, reject.source) == ("NOSUCH", "no bars", "backfill")
    assert reject.detail.startswith("0 bars for NOSUCH")


# --- flat files

DAY = 1_550_120_400_000  # 2019-02-14, midnight in New York
HEADER = "ticker,volume,open,close,high,low,window_start,transactions"


@pytest.fixture
def folder(tmp_path):
    """Minutes of three days, of which the middle one has no bar of MSFT."""
    for number, date in enumerate(("2019-02-13", "2019-02-14", "2019-02-15")):
        open_ns = (DAY + (number - 1) * DAY_MS + 9 * HOUR_MS + HOUR_MS // 2) * 10**6
        lines = [
            f"{symbol},1200,100,100,101,99,{open_ns + minute * 60 * 10**9},7"
            for symbol in ("AAPL", "MSFT", "XYZ")
            for minute in range(2)
            if (symbol, number) != ("MSFT", 1)
        ]
        (tmp_path / f"{date}.csv").write_text("\n".join([HEADER, *lines, f"AAPL,0,1,1,1,1,{open_ns + 120 * 10**9},0"]))
    return Folder(tmp_path, ".")


def test_flat_files_are_published_day_by_day_through_the_same_gate(folder, caplog):
    published = Published()
    files = publish_files(folder, published, ["AAPL", "MSFT", "NOSUCH"], "minute", DAY, DAY + 2 * DAY_MS)
    assert files["polygon.bars.raw"] == len(published.bars) == 6
    assert [ts_ms for symbol, ts_ms in published.bars if symbol == "AAPL"] == [
        DAY + day * DAY_MS + 9 * HOUR_MS + HOUR_MS // 2 + minute * 60_000 for day in (0, 1) for minute in (0, 1)
    ]
    assert [(it.symbol, it.reason) for it in published.rejects] == [
        ("AAPL", "no trade"),
        ("AAPL", "no trade"),
        ("NOSUCH", "no bars"),
    ]
    assert "0 bars for NOSUCH" in caplog.text


def test_a_trading_day_without_a_file_is_named_and_a_weekend_is_not(folder, caplog):
    (folder.path / "2019-02-14.csv").unlink()
    publish_files(folder, Published(), ["AAPL"], "minute", DAY - DAY_MS, DAY + 4 * DAY_MS)
    assert "has no file of 2019-02-14, a trading day" in caplog.text
    assert caplog.text.count("a trading day") == 1


def test_part_of_a_day_is_that_part_of_its_file(folder):
    published = Published()
    opened = DAY + 9 * HOUR_MS + HOUR_MS // 2
    publish_files(folder, published, ["AAPL"], "minute", opened + 60_000, opened + DAY_MS + 60_000)
    assert [ts_ms for _, ts_ms in published.bars] == [opened + 60_000, opened + DAY_MS]


def test_days_without_a_file_are_refused_with_those_that_have_one(folder):
    with pytest.raises(
        ConfigurationError, match=r"no file of 2020-02-14 to .*; it has 3 files, 2019-02-13 to 2019-02-15"
    ):
        publish_files(folder, Published(), ["AAPL"], "minute", DAY + 365 * DAY_MS, DAY + 366 * DAY_MS)
