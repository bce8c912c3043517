"""Reads recorded bars from files into the columns that the engine computes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from include.surveillance.detection.columns import OPTIONAL, BarColumns, SeriesKey
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bar_rows import AS_FILES_SAY, Reading, Rows, read_rows
from include.surveillance.files.formats import PRICES
from include.surveillance.files.sources import find_files
from include.surveillance.files.tables import REJECTS, Values
from include.surveillance.timespans import LATEST_MS

ROWS = 1 << 16  # digested at a time: what fits into a cache
# Two files at a time: Arrow reads without Python's lock, and what is read waits in memory.
READERS = 2
MEGABYTE = 1 << 20
_POLYNOMIAL = np.uint32(0xEDB88320)


class BarFile(NamedTuple):
    """The bars of a file or of several, and what else was in them.

    Attributes:
        bars: one per (symbol, timespan, ts_ms), sorted by it; codes in the order of (symbol, timespan).
        rejects: a table of ``tables.REJECTS``, one row for each that is no bar.
        counts: ``rows`` that were asked for, ``duplicate`` rows that repeat a bar, ``corrected`` rows that replace an
            earlier row's values: ``rows = len(bars) + rejects + duplicate + corrected``.
        notes: one sentence for each thing that was found rather than said, e.g. the unit of the times.
    """

    bars: BarColumns
    rejects: pa.Table
    counts: Counter[str]
    notes: list[str]


def read_bars(
    path: Path,
    reading: Reading = AS_FILES_SAY,
    *,
    only: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BarFile:
    """Read the bars of a file, of a folder or of all files that a pattern fits, in any order.

    Of two rows for one bar the later one holds, and of two files the one with the later name.

    Args:
        only: the symbol whose rows are read; None: all.
        progress: is called with how many megabytes are read, of how many.

    Raises:
        ConfigurationError: a file cannot be read, is empty, lacks a column or does not say what it holds; or the
            files are of different formats.
    """
    files, others = find_files(path)
    done, total = Counter[Path](), sum(file.stat().st_size for file in files if file.exists()) // MEGABYTE + 1

    def read(file: Path) -> Rows:
        name = str(file.relative_to(path)) if file.is_relative_to(path) and file != path else file.name
        wanted = None if only is None else [only]
        return read_rows(file, reading, only=wanted, name=name, progress=partial(tell_progress, file))

    def tell_progress(file: Path, bytes_read: int) -> None:
        done[file] = bytes_read
        progress(min(sum(done.values()) // MEGABYTE, total), total)

    with ThreadPoolExecutor(READERS) as pool:
        parts = list(pool.map(read, files))
    if len(formats := {part.format: file for part, file in zip(parts, files, strict=True)}) > 1:
        said = ", ".join(f"{file.name} is {name}" for name, file in formats.items())
        raise ConfigurationError(f"{path} has files of several formats: {said}; read those of one format at a time")
    values = _join([part.values for part in parts])
    keys, code = _encode_series(values.pop("symbol"), values.pop("timespan"))
    prices = {name: values[name] for name in (*PRICES, "volume")}
    optional = {name: values.pop(name) for name in OPTIONAL}
    revision = compute_revisions(*prices.values(), *optional.values())
    ts = values["ts_ms"]
    polled, live = np.zeros(len(ts), dtype=np.int64), np.zeros(len(ts), dtype=bool)
    bars = BarColumns(keys=keys, code=code, ts=ts, **prices, **optional, revision=revision, polled=polled, live=live)
    kept, duplicate, corrected = _find_latest(bars)
    bars = bars.take(kept)
    rejects = pa.concat_tables([REJECTS.empty_table(), *(part.rejects for part in parts)])
    counts = Counter(rows=sum(part.total for part in parts), duplicate=duplicate, corrected=corrected)
    return BarFile(bars, rejects, counts, _write_notes(path, files, parts, others))


def _write_notes(path: Path, files: list[Path], parts: list[Rows], others: list[Path]) -> list[str]:
    """Write one sentence for all files of which the same was found."""
    found: dict[tuple[str, ...], int] = Counter(
        (*([] if part.format == "columns" else [f"format {part.format}"]), *part.notes) for part in parts
    )
    several = len(files) > 1
    notes = [f"{path}: {f'{number} files: ' * several}{'; '.join(said)}" for said, number in found.items() if said]
    if others:
        names = ", ".join(it.name for it in others[:3])
        notes.append(f"{path}: {len(others)} other files are left out ({names}{', ...' if len(others) > 3 else ''})")
    return notes


def _join(parts: list[Values]) -> Values:
    if len(parts) == 1:
        return parts[0]
    kind = pa.dictionary(pa.int32(), pa.string())
    joined: Values = {}
    for name in list(parts[0]):
        columns = [part.pop(name) for part in parts]
        if isinstance(columns[0], pa.Array):
            joined[name] = pa.chunked_array(columns, kind).unify_dictionaries().combine_chunks()
        else:
            joined[name] = np.concatenate(columns)
    return joined


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


def _find_latest(bars: BarColumns) -> tuple[np.ndarray | slice, int, int]:
    """Return the last row of each bar, sorted by series and time, and count duplicate and corrected rows."""
    rank = bars.code.astype(np.int64) * LATEST_MS + bars.ts
    if (np.diff(rank) > 0).all():
        return slice(None), 0, 0
    order = np.argsort(rank, kind="stable")
    repeats = np.diff(rank[order]) == 0
    same = np.ones(np.count_nonzero(repeats), dtype=bool)
    earlier, later = order[:-1][repeats], order[1:][repeats]
    for column in (*(getattr(bars, name) for name in PRICES), bars.volume, bars.revision):
        same &= column[earlier] == column[later]
    kept = order[np.append(~repeats, True)]
    return kept, int(np.count_nonzero(same)), int(np.count_nonzero(~same))


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
