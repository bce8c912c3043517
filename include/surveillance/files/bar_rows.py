"""Reads the rows of one file of bars, whatever its format: what is no bar is set aside."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.formats import (
    NAME,
    PRICES,
    TIMESPANS,
    Layout,
    count_known,
    describe_formats,
    have_decimal_commas,
    read_header,
    read_yfinance,
)
from include.surveillance.files.stamps import STAMPS, Stamps
from include.surveillance.files.tables import (
    CELLS,
    NOT_ASKED_FOR,
    NUMBER,
    OPTIONAL_NUMBER,
    OPTIONAL_TEXT,
    TEXT,
    Table,
    Values,
    check_cells,
    open_table,
    read_fields,
)
from include.surveillance.files.times import SLASHED_DATES, SlashedDates, Times, parse_times, read_zone
from include.surveillance.timespans import DAY_MS, NEW_YORK, SPAN_MS, Timespan
from include.surveillance.validity import (
    GRID_MS,
    OBJECTIONS,
    is_series_symbol,
    is_trade_count,
    is_vwap,
    objections,
    round_volume,
)


@dataclass(frozen=True)
class Reading:
    """What somebody says about files of bars; what is None, the files say.

    Attributes:
        format: a name of ``formats.FORMATS``.
        dates: which part of a date with slashes comes first, see ``times``.
        zone: of times without an offset.
        symbol: of the bars of a file without a column of symbols.
        timespan: of the bars of a file without a column of timespans.
        stamps: how day bars are stamped, see ``stamps``.
    """

    format: str | None = None
    zone: str | None = None
    symbol: str | None = None
    timespan: Timespan | None = None
    stamps: Stamps | None = None
    dates: SlashedDates | None = None

    def __post_init__(self) -> None:
        if self.stamps is not None and self.stamps not in STAMPS:
            raise ConfigurationError(f"--stamps {self.stamps} is none; day bars are stamped {', '.join(STAMPS)}")
        if self.dates is not None and self.dates not in SLASHED_DATES:
            raise ConfigurationError(f"--dates {self.dates} is none; dates with slashes are {', '.join(SLASHED_DATES)}")
        if self.timespan is not None and self.timespan not in SPAN_MS:
            raise ConfigurationError(f"--timespan {self.timespan} is none; timespans are {', '.join(SPAN_MS)}")
        if self.symbol is not None and not is_series_symbol(self.symbol):
            raise ConfigurationError(f"--symbol {self.symbol!r} can be no symbol; write e.g. AAPL or BRK.B")


AS_FILES_SAY = Reading()


class Rows(NamedTuple):
    """The usable rows of one file, in its order.

    Attributes:
        values: symbol, timespan (texts encoded as dictionaries), ts_ms (int64), open, high, low, close, volume, vwap
            and trades (float64, NaN: left out).
        rejects: a table of ``tables.REJECTS``.
        total: how many rows were asked for.
        format: a name of ``formats.FORMATS``.
        notes: what was found rather than said.
        symbol_column: which of the file's columns, from 0, has the symbol; None: there is none.
    """

    values: Values
    rejects: pa.Table
    total: int
    format: str
    notes: tuple[str, ...]
    symbol_column: int | None


def read_rows(
    file: Path,
    reading: Reading = AS_FILES_SAY,
    *,
    only: Collection[str] | None = None,
    name: str | None = None,
    progress: Callable[[int], None] = lambda bytes_read: None,
) -> Rows:
    """Read one file.

    Args:
        only: the symbols whose rows are read; None: all.
        name: what rejects call the file, unless its name.
        progress: is called with how many bytes are read.

    Raises:
        ConfigurationError: as of ``read_bars``.
    """
    table = open_table(
        file,
        f"{describe_formats()[:1].lower()}{describe_formats()[1:]}",
        knows=count_known,
        headed=read_header,
    )
    if _find_format(table) == "yfinance":
        symbol = _find_one_symbol(table)
        reading = replace(reading, symbol=reading.symbol or symbol)
    layout = Layout.find(file, table.names, _find_format(table) or reading.format)
    _refuse_decimal_commas(table, layout)
    interpreter = _Interpreter(file, layout, reading, only)
    columns = {key: there[0] for key, there in layout.columns.items()}
    fields = {"symbol": TEXT if "symbol" in columns else OPTIONAL_TEXT, "timespan": OPTIONAL_TEXT, "time": CELLS}
    if len(layout.columns["time"]) > 1:
        fields["clock"], columns["clock"] = CELLS, layout.columns["time"][1]
    fields |= {**dict.fromkeys((*PRICES, "volume"), NUMBER), "vwap": OPTIONAL_NUMBER, "trades": OPTIONAL_NUMBER}
    read = read_fields(table, fields, interpreter, columns=columns, file=name, progress=progress)
    values = read.values
    values.pop("clock", None)
    values["ts_ms"] = values.pop("time").astype(np.int64)
    symbol_column = table.names.index(columns["symbol"]) if "symbol" in columns else None
    return Rows(values, read.rejects, read.rows, layout.name, interpreter.notes(), symbol_column)


class _Interpreter:
    """Makes columns of bars from the cells of one file, in the same way from its first row to its last."""

    def __init__(self, path: Path, layout: Layout, reading: Reading, only: Collection[str] | None):
        self.path, self.layout, self.reading = path, layout, reading
        self.only = None if only is None else frozenset(only)
        self.time_column = layout.columns["time"][0]
        self.zone = read_zone(reading.zone) if reading.zone else read_zone(layout.format.zone or NEW_YORK.key)
        self.symbol, self.timespan, self.unit = reading.symbol, reading.timespan, ""
        self.dates: SlashedDates | None = reading.dates
        self._found: dict[str, str] = {}
        named = layout.format.symbol.match(path.name) or NAME.match(path.name)
        if "symbol" not in layout.columns and self.symbol is None:
            if named is None:
                raise ConfigurationError(
                    f"{path} has no column symbol (or ticker), and its name does not begin with a symbol; give --symbol"
                )
            self.symbol = named["symbol"]
            self._found["symbol"] = "symbols by the names of the files"
        if self.timespan is None and named and (word := named.groupdict().get("timespan")):
            self.timespan = TIMESPANS.get(word.lower())

    def notes(self) -> tuple[str, ...]:
        """Say what was found rather than said."""
        return tuple(self._found.values())

    def __call__(self, values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
        """Put in the place of cells what they mean, and object to the rows that are no bars."""
        count = len(values["time"])
        if "symbol" not in self.layout.columns:
            values["symbol"] = _repeat(self.symbol or "", count)
        if self.reading.timespan is None and "timespan" in self.layout.columns:
            words = [TIMESPANS.get(word.lower(), word) for word in values["timespan"].dictionary.to_pylist()]
            values["timespan"] = pa.array(words, pa.string()).take(values["timespan"].indices).dictionary_encode()
        times = self._parse_times(values)
        ts_ms = times.ts_ms
        if self.reading.timespan is not None or "timespan" not in self.layout.columns:
            self.timespan = self.timespan or self._find_timespan(values["symbol"], times)
            values["timespan"] = _repeat(self.timespan, count)
        span_ms = _look_up(values["timespan"], SPAN_MS)
        if self.layout.format.stamps == "end":
            ts_ms = np.where(span_ms < DAY_MS, ts_ms - span_ms, ts_ms)
        values["time"], values["volume"] = ts_ms, round_volume(values["volume"])
        with np.errstate(invalid="ignore"):
            values["vwap"] = np.where(is_vwap(values["vwap"]), values["vwap"], np.nan)
            # A count has no sign: minus nothing is nothing, as the whole number is of which a record is made.
            values["trades"] = np.where(is_trade_count(values["trades"]), values["trades"] + 0.0, np.nan)
        known = check_cells(values["symbol"], lambda symbol: symbol is not None and is_series_symbol(symbol))
        grid_ms = _look_up(values["timespan"], GRID_MS)
        objected = objections(known, grid_ms, ts_ms, *(values[name] for name in (*PRICES, "volume")))
        objected = np.where(np.isnan(ts_ms), np.int16(len(OBJECTIONS) + 1), objected)
        if (only := self.only) is not None:
            objected[~check_cells(values["symbol"], lambda symbol: symbol in only)] = NOT_ASKED_FOR
        return objected, (*OBJECTIONS, f"{self.time_column} is no time")

    def _parse_times(self, values: Values) -> Times:
        cells = values["time"]
        clock = values.pop("clock", None)
        if clock is not None and not self._only_days(values["timespan"]):
            cells = pc.binary_join_element_wise(cells.cast(pa.string()), clock.cast(pa.string()), " ")
        times = parse_times(cells, self.zone, self.unit, self.dates)
        self.unit, self.dates = times.unit, self.dates or times.slashed
        if times.undecided:
            raise ConfigurationError(
                f"{self.path}: column {self.time_column} has dates such as {times.undecided}, and none of them says "
                f"whether the month or the day comes first; give --dates, one of {', '.join(SLASHED_DATES)}, or write "
                "2024-01-31"
            )
        if times.slashed and not self.reading.dates:
            self._found["dates"] = f"{self.time_column} with the {times.slashed.replace('-', ' ')}"
        if times.unit not in ("", "milliseconds"):
            self._found["unit"] = f"{self.time_column} in {times.unit}"
        if times.naive and not self.reading.zone:
            if not self.layout.format.zone:
                raise ConfigurationError(
                    f"{self.path} has times without an offset, and {self.layout.format.source} does not say of which "
                    "zone; give --tz, e.g. --tz America/New_York"
                )
            self._found["zone"] = f"times without an offset are taken for {self.zone.key} (--tz names another zone)"
        return times

    def _only_days(self, timespan: pa.DictionaryArray) -> bool:
        return self.reading.timespan == "day" or timespan.dictionary.to_pylist() == ["day"]

    def _find_timespan(self, symbol: pa.DictionaryArray, times: Times) -> Timespan:
        """Find the timespan by the most frequent distance between the stamps of one symbol."""
        usable = ~np.isnan(times.ts_ms)
        code = pc.fill_null(symbol.indices, -1).to_numpy(zero_copy_only=False)[usable].astype(np.int64)
        stamps = times.ts_ms[usable]
        if not len(stamps):
            return "minute"  # no row will be a bar, whatever it would be
        midnights = parse_times(pa.array(stamps.astype("datetime64[ms]")).cast(pa.date32()), NEW_YORK).ts_ms
        if (times.dates and not times.naive) or (stamps == midnights).all() or (stamps % DAY_MS == 0).all():
            found: Timespan | None = "day"
        else:
            order = np.lexsort((stamps, code))
            steps = np.diff(stamps[order])[np.diff(code[order]) == 0]
            distinct, counts = np.unique(steps[steps > 0], return_counts=True)
            step = distinct[counts.argmax()] if len(distinct) else 0
            # Days are 23 to 25 hours long, and longer over weekends.
            by_step = {span_ms: timespan for timespan, span_ms in SPAN_MS.items()}
            found = "day" if step >= DAY_MS - SPAN_MS["hour"] else by_step.get(step)
        if found is None:
            raise ConfigurationError(
                f"{self.path} has no column timespan, and its stamps do not say it: most are "
                f"{step / SPAN_MS['minute']:g} minutes apart; give --timespan, one of {', '.join(SPAN_MS)}"
            )
        self._found["timespan"] = f"{found} bars by the distance of their stamps"
        return found


def _find_format(table: Table) -> str | None:
    """Return the format that the header of a CSV says by its number of rows."""
    return None if table.parquet else {0: "ninjatrader", 3: "yfinance"}.get(len(table.header))


def _find_one_symbol(table: Table) -> str:
    """Return the symbol of the columns of a file of yfinance's.

    Raises:
        ConfigurationError: there are several.
    """
    symbols = sorted({*read_yfinance(table.header)[1]})
    if len(symbols) > 1:
        raise ConfigurationError(
            f"{table.path} has the columns of several symbols beside each other ({', '.join(symbols)[:100]}); write a "
            "row for each: data.stack(level='Ticker').to_csv(...), or a file for each"
        )
    return symbols[0]


def _refuse_decimal_commas(table: Table, layout: Layout) -> None:
    at = [table.names.index(layout.columns[name][0]) for name in (*PRICES, "volume")]
    if any(have_decimal_commas(row[column] for column in at if column < len(row)) for row in table.first_rows):
        raise ConfigurationError(
            f"{table.path} writes numbers with a decimal comma (100,5), which may be a thousand as well as a fraction; "
            "write them with a point"
        )


def _repeat(text: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), pa.array([text], pa.string()))


def _look_up(timespan: pa.DictionaryArray, lengths_ms: dict[Timespan, int]) -> np.ndarray:
    """Return the length of each row's timespan, int64; 0 where there is none."""
    known = np.array([lengths_ms.get(word, 0) for word in timespan.dictionary.to_pylist()] + [0], dtype=np.int64)
    return known[pc.fill_null(timespan.indices, len(known) - 1).to_numpy(zero_copy_only=False)]
