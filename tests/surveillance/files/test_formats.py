"""Formats are found by what only their header has, whatever its case, order and company."""

from __future__ import annotations

import re

import pytest

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.formats import COLUMNS, FORMATS, NAME, Layout, describe_formats, is_ninjatrader
from tests.paths import ROOT

PAGE = (ROOT / "docs" / "start" / "recorded-bars.md").read_text()
HEADERS = {
    "polygon": "ticker,volume,open,close,high,low,window_start,transactions",
    "stooq": "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
    "yahoo": "Date,Open,High,Low,Close,Adj Close,Volume",
    "ibkr": "date,open,high,low,close,volume,average,barCount",
    "tradingview": "time,open,high,low,close,Volume,Volume MA",
    "columns": "symbol,ts_ms,open,high,low,close,volume,vwap,trades,timespan",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_of_one_format_in_any_order_and_case(name):
    names = HEADERS[name].split(",")
    for given in (names, names[::-1], [f" {it.upper()} " for it in names]):
        assert Layout.find("x.csv", given, None).name == name
    assert Layout.find("x.csv", names, "columns").name == "columns"


def test_the_page_names_every_format_and_every_column():
    assert re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE) == list(FORMATS)
    known = {name for names in COLUMNS.values() for name in names}
    assert known - {*re.findall(r"`(\w+)`", PAGE)} == set()
    assert all(name in describe_formats() for name in FORMATS)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["symbol", "ts_ms", "open"], "lacks column high (or h), low (or l), close (or c), volume (or vol, v); it has"),
        (["open", "OPEN "], "two columns of one name"),
        (["\x1b[2J", "ä"], r"it has \x1b[2J, \xe4"),
    ],
)
def test_a_header_that_lacks_something_is_refused_with_what_is_allowed(names, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        Layout.find("x.csv", names, None)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("AAPL.csv", "AAPL"),
        ("BRK.B.csv.gz", "BRK.B"),
        ("MSFT.Last.txt", "MSFT"),
        ("AAPL_1min.csv", "AAPL"),
        ("AAPL-2024.csv", "AAPL"),
        ("bars.csv", None),
        ("2024-01-02.csv", None),
        ("myAAPL.csv", None),
    ],
)
def test_a_symbol_stands_at_the_beginning_of_a_files_name_or_not_at_all(name, symbol):
    found = NAME.match(name)
    assert (found and found["symbol"]) == symbol


@pytest.mark.parametrize(
    ("name", "symbol", "timespan"),
    [("NASDAQ_AAPL, 5_0b6f4.csv", "AAPL", "5"), ("BATS_BRK.B, 1D.csv", "BRK.B", "1D"), ("AAPL, 60.csv", "AAPL", "60")],
)
def test_tradingviews_names_say_symbol_and_timespan(name, symbol, timespan):
    found = FORMATS["tradingview"].symbol.match(name)
    assert (found["symbol"], found["timespan"]) == (symbol, timespan)


def test_ninjatraders_rows_are_known_by_their_first_cell():
    assert is_ninjatrader(["20240102 143100", "1", "2", "3", "4", "5"])
    assert is_ninjatrader(["20240102", "1", "2", "3", "4", "5"])
    assert not is_ninjatrader(["2024-01-02", "1", "2", "3", "4", "5"])
    assert not is_ninjatrader(["20240102 143100", "1", "2"])
