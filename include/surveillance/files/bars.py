"""Reads recorded bars from a file into the columns that the engine computes on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from include.surveillance.detection.columns import BarColumns, SeriesKey
from include.surveillance.files.tables import (
    NUMBER,
    OPTIONAL_NUMBER,
    OPTIONAL_WHOLE,
    TEXT,
    WHOLE,
    Values,
    check_cells,
    read_columns,
)
from include.surveillance.timespans import SPAN_MS
from include.surveillance.validity import LATEST_MS, OBJECTIONS, objections

PRICES = ("open", "high", "low", "close")
BARS = {"symbol": TEXT, "timespan": TEXT, "ts_ms": WHOLE, **dict.fromkeys(PRICES, NUMBER), "volume": NUMBER}
BARS |= {"vwap": OPTIONAL_NUMBER, "trades": OPTIONAL_WHOLE}
ROWS = 1 << 16  # digested at a time: what fits into a cache
_POLYNOMIAL = np.uint32(0xEDB88320)


class BarFile(NamedTuple):
    """The bars of a file, and what else was in it.

    Attributes:
        bars: one per (symbol, timespan, ts_ms), sorted by it; codes in the order of (symbol, timespan).
        rejects: a table of ``tables.REJECTS``, one row for each that is no bar.
        counts: ``rows`` of the file, ``duplicate`` rows that repeat a bar, ``corrected`` rows that replace an earlier
            row's values: ``rows = len(bars) + rejects + duplicate + corrected``.
    """

    bars: BarColumns
    rejects: pa.Table
    counts: Counter[str]


def read_bars(path: Path) -> BarFile:
    """Read the bars of a file, in any order; of two rows for one bar the later one holds.

    Raises:
        ConfigurationError: the file cannot be read, is empty or lacks a column.
    """
    values, rejects, rows = read_columns(path, BARS, _check_bars)
    keys, code = _encode_series(values.pop("symbol"), values.pop("timespan"))
    prices = {name: values[name] for name in (*PRICES, "volume")}
    revision = compute_revisions(*prices.values(), values.pop("vwap"), values.pop("trades"))
    ts = values["ts_ms"]
    polled, live = np.zeros(len(ts), dtype=np.int64), np.zeros(len(ts), dtype=bool)
    bars = BarColumns(keys=keys, code=code, ts=ts, **prices, revision=revision, polled=polled, live=live)
    bars, duplicate, corrected = _keep_latest(bars)
    return BarFile(bars, rejects, Counter(rows=rows, duplicate=duplicate, corrected=corrected))


def _check_bars(values: Values) -> tuple[np.ndarray, tuple[str, ...]]:
    known = check_cells(values["timespan"], lambda timespan: timespan in SPAN_MS)
    columns = (values[name] for name in ("ts_ms", *PRICES, "volume", "vwap"))
    return objections(known, *columns), OBJECTIONS


def _encode_series(symbol: pa.DictionaryArray, timespan: pa.DictionaryArray) -> tuple[list[SeriesKey], np.ndarray]:
    """Return the (symbol, timespan) of each code, in order, and the code of each row, int32."""
    symbols, timespans = symbol.dictionary.to_pylist(), timespan.dictionary.to_pylist()
    pair = symbol.indices.to_numpy().astype(np.int64) * len(timespans) + timespan.indices.to_numpy()
    present = np.flatnonzero(np.bincount(pair, minlength=len(symbols) * len(timespans))).tolist()
    keys = {number: (symbols[number // len(timespans)], timespans[number % len(timespans)]) for number in present}
    code_of = np.zeros(len(symbols) * len(timespans), dtype=np.int32)
    ordered = sorted(keys, key=keys.__getitem__)
    code_of[ordered] = np.arange(len(ordered))
    return [keys[number] for number in ordered], code_of[pair]


def _keep_latest(bars: BarColumns) -> tuple[BarColumns, int, int]:
    """Sort by series and time, keep the last row of each bar, and count duplicate and corrected rows."""
    rank = bars.code.astype(np.int64) * LATEST_MS + bars.ts
    if (np.diff(rank) > 0).all():
        return bars, 0, 0
    order = np.argsort(rank, kind="stable")
    repeats = np.diff(rank[order]) == 0
    same = np.ones(np.count_nonzero(repeats), dtype=bool)
    earlier, later = order[:-1][repeats], order[1:][repeats]
    for column in (*(getattr(bars, name) for name in PRICES), bars.volume, bars.revision):
        same &= column[earlier] == column[later]
    kept = order[np.append(~repeats, True)]
    return bars.take(kept), int(np.count_nonzero(same)), int(np.count_nonzero(~same))


def compute_revisions(*columns: np.ndarray) -> np.ndarray:
    """Compute ``records.bar_revision`` of each row, uint32.

    Args:
        columns: open, high, low, close, volume, vwap and trades as numbers (NaN: left out), of one length.
    """
    revisions = np.empty(len(columns[0]), dtype=np.uint32)
    for start in range(0, len(revisions), ROWS):
        part = slice(start, start + ROWS)
        rows = np.stack([column[part] for column in columns], axis=1).astype(np.float64, copy=False)
        # There are many NaN, and a digest must know only one.
        rows[np.isnan(rows)] = np.nan
        _crc32(rows.view(np.uint32), _TABLES, revisions[part])
    return revisions


def _crc_tables() -> np.ndarray:
    """Make eight tables of 256: the CRC of a byte that is followed by 0 to 7 zero bytes."""
    tables = np.zeros((8, 256), dtype=np.uint32)
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ _POLYNOMIAL, crc >> 1).astype(np.uint32)
    tables[0] = crc
    for zeros in range(1, 8):
        tables[zeros] = tables[0][tables[zeros - 1] & 0xFF] ^ (tables[zeros - 1] >> 8)
    return tables


_TABLES = _crc_tables()


@njit(cache=True)
def _crc32(words: np.ndarray, tables: np.ndarray, out: np.ndarray) -> None:
    """Digest eight bytes at a step; ``words`` are little-endian halves of float64, two per value."""
    byte = np.uint32(0xFF)
    for row in range(words.shape[0]):
        crc = np.uint32(0xFFFFFFFF)
        for word in range(0, words.shape[1], 2):
            low = crc ^ words[row, word]
            high = words[row, word + 1]
            crc = (
                tables[7, low & byte]
                ^ tables[6, (low >> np.uint32(8)) & byte]
                ^ tables[5, (low >> np.uint32(16)) & byte]
                ^ tables[4, low >> np.uint32(24)]
                ^ tables[3, high & byte]
                ^ tables[2, (high >> np.uint32(8)) & byte]
                ^ tables[1, (high >> np.uint32(16)) & byte]
                ^ tables[0, high >> np.uint32(24)]
            )
        out[row] = ~crc
