"""Knows the formats of files of bars that people have: which header means which, and what its columns mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from include.surveillance.errors import ConfigurationError
from include.surveillance.timespans import NEW_YORK, SPAN_MS, Timespan

PRICES = ("open", "high", "low", "close")
COLUMNS: dict[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker"),
    "time": ("ts_ms", "window_start", "timestamp", "datetime", "date", "time", "t"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v"),
    "timespan": ("timespan", "per"),
    "vwap": ("vwap", "average", "wap", "vw"),
    "trades": ("trades", "transactions", "trade_count", "barcount", "n"),
}
"""What a bar has, and the names that its column may have, the first that is there; case and <> do not count."""
NEEDED = ("time", *PRICES, "volume")
TIMESPANS: Mapping[str, Timespan] = {
    **{timespan: timespan for timespan in SPAN_MS},
    "1": "minute",
    "5": "5minute",
    "15": "15minute",
    "60": "hour",
    "d": "day",
    "1d": "day",
}
"""The words for timespans in a column, in an option and in a file's name; small and capital letters are the same."""

Stamps = Literal["start", "end"]


NAME = re.compile(r"(?P<symbol>[A-Z]{1,6}(?:[.\-][A-Z]{1,2})?)(?=$|[_., \-])")
"""A file's name that begins with a symbol."""


class Format(NamedTuple):
    """One format of files.

    Attributes:
        source: who writes such files.
        header: the names that only a header of this format has.
        zone: of times without an offset; empty where nobody knows it, so that it must be given.
        stamps: whether intraday bars are stamped with their start or their end.
        columns: of a file without a header.
        symbol: where the file's name has the symbol and the timespan, unless it is as of ``NAME``.
    """

    source: str
    header: frozenset[str]
    zone: str = NEW_YORK.key
    stamps: Stamps = "start"
    symbol: re.Pattern[str] = NAME
    columns: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "polygon": Format("Polygon's (Massive's) flat files", frozenset({"ticker", "window_start"})),
    "stooq": Format("Stooq", frozenset({"ticker", "per", "date", "time", "vol"}), zone=""),
    "yahoo": Format("Yahoo", frozenset({"adj close"})),
    "yfinance": Format("yfinance: a header of three rows", frozenset()),
    "ibkr": Format("Interactive Brokers (ib_async)", frozenset({"date", "average", "barcount"})),
    "tradingview": Format(
        "TradingView",
        frozenset({"time", *PRICES}),
        symbol=re.compile(r"(?:[A-Z]+_)?(?P<symbol>[A-Z.]{1,8}), (?P<timespan>\d+|1D)(?=$|[_. ])"),
    ),
    "ninjatrader": Format(
        "NinjaTrader",
        frozenset(),
        zone="UTC",
        stamps="end",
        columns=("time", *PRICES, "volume"),
    ),
    "columns": Format("anybody: columns by their names", frozenset()),
}
"""The formats by name. The first whose header fits is taken, and ``columns`` when none does."""

_NINJATRADER = re.compile(r"\d{8}( \d{6})?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


class Layout(NamedTuple):
    """Where a file has what: its format, and for each key of ``COLUMNS`` that it has the names of its columns."""

    name: str
    format: Format
    columns: Mapping[str, tuple[str, ...]]

    @classmethod
    def find(cls, path: object, names: Sequence[str], wanted: str | None) -> Layout:
        """Find the layout of a file by the names in its header.

        Args:
            path: what messages call the file.
            names: of its columns, as they are.
            wanted: the format that somebody says it is of.

        Raises:
            ConfigurationError: a column is missing or comes twice, or there is no such format.
        """
        if wanted not in (None, *FORMATS):
            raise ConfigurationError(f"--format {wanted} is none; formats are {', '.join(FORMATS)}")
        by_key: dict[str, str] = {}
        for name in names:
            if by_key.setdefault(simplify(name), name) != name or names.count(name) > 1:
                raise ConfigurationError(f"{path} has two columns of one name; it has {_list(names)}")
        fitting = (it for it, form in FORMATS.items() if form.header and form.header <= {*by_key})
        name = wanted or next(fitting, "columns")
        columns: dict[str, tuple[str, ...]] = {}
        for key, known in COLUMNS.items():
            if there := next((by_key[it] for it in known if it in by_key), None):
                columns[key] = (there,)
        if "date" in by_key and "time" in by_key and columns["time"] == (by_key["date"],):
            columns["time"] = (by_key["date"], by_key["time"])
        if missing := [key for key in NEEDED if key not in columns]:
            raise ConfigurationError(
                f"{path} lacks column {', '.join(_allow(key) for key in missing)}; it has {_list(names)}. "
                f"{describe_formats()}"
            )
        return cls(name, FORMATS[name], columns)


def simplify(name: str) -> str:
    """Write the name of a column without what does not count: case, blanks around it, the brackets of <DATE>."""
    return name.strip().strip("<>").lower()


def count_known(names: Iterable[str]) -> int:
    """Count the names that some format knows."""
    known = {name for names in COLUMNS.values() for name in names}
    return sum(simplify(name) in known for name in names)


def is_ninjatrader(cells: Sequence[str]) -> bool:
    """Whether these are the cells of a row of NinjaTrader's, which has no header."""
    return len(cells) == 6 and _NINJATRADER.fullmatch(cells[0].strip()) is not None


def read_header(rows: Sequence[Sequence[str]]) -> tuple[Sequence[str], int]:
    """Return the names of the columns of a file of bars, by its first rows, and how many of these are its header."""
    if is_ninjatrader(rows[0]):
        return FORMATS["ninjatrader"].columns, 0
    if is_yfinance(rows):
        names, _ = read_yfinance(rows)
        return [rows[2][0], *names], 3
    return rows[0], 1


def is_yfinance(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first three rows are the names of columns, their symbols, and the name of the column of times."""
    return len(rows) > 2 and {row[0] for row in rows[:2]} == {"Price", "Ticker"} and not any(rows[2][1:])


def read_yfinance(rows: Sequence[Sequence[str]]) -> tuple[Sequence[str], Sequence[str]]:
    """Return what the columns behind the first hold, and of which symbol each is."""
    named = {row[0]: row[1:] for row in rows[:2]}
    return named["Price"], named["Ticker"]


def have_decimal_commas(cells: Iterable[str]) -> bool:
    """Whether several of the cells of a row are numbers such as 100,5."""
    return sum(_DECIMAL_COMMA.fullmatch(cell.strip()) is not None for cell in cells) > 1


def describe_formats() -> str:
    """Say in one sentence what a file of bars may be."""
    needed = ", ".join(_allow(key) for key in ("symbol", *NEEDED))
    return (
        f"A file of bars is Parquet or CSV, also packed (.gz, .bz2, .zst), with the columns {needed}; formats are "
        f"{', '.join(FORMATS)}; timespans are {', '.join(SPAN_MS)}"
    )


def _allow(key: str) -> str:
    first, *others = COLUMNS[key]
    return f"{first} (or {', '.join(others)})" if others else first


def _list(names: Sequence[str]) -> str:
    """List names of columns in plain ASCII: whatever a file holds goes to somebody's terminal."""
    return ", ".join(ascii(name)[1:-1][:40] for name in names[:20])[:200]
