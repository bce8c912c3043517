"""A file of rows -> batches of raw columns: Parquet as typed, CSV as bytes, and what is no table as one sentence."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from ..errors import ConfigurationError

MAGIC = b"PAR1"
ROWS, BYTES = 1 << 20, 1 << 26  # of one batch: Parquet, CSV


def batches(path: Path, required: list[str], malformed: list[pv.InvalidRow]) -> Iterator[pa.Table]:
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if not start.strip():
        raise ConfigurationError(f"{path} is empty; it needs the columns {', '.join(required)}")
    if start == MAGIC:
        with pq.ParquetFile(path) as parquet:
            _demand(path, parquet.schema_arrow.names, required)
            for batch in parquet.iter_batches(ROWS):
                yield pa.Table.from_batches([batch])
        return
    if path.suffix in (".parquet", ".pq"):
        raise ConfigurationError(f"{path} is no Parquet file: it starts with {start!r}, not with {MAGIC!r}")

    names, rows_follow = _header(path)
    _demand(path, names, required)
    if not rows_follow:
        return

    def set_aside(row: pv.InvalidRow) -> str:
        malformed.append(row)
        return "skip"

    # The cells are decoded one by one later: a bad byte must not cost the file.
    as_sent = pv.ConvertOptions(column_types=dict.fromkeys(names, pa.binary()), null_values=[], check_utf8=False)
    # With threads a malformed row comes without its number.
    reading = pv.ReadOptions(use_threads=False, block_size=BYTES)
    parsing = pv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside)
    with pv.open_csv(path, read_options=reading, parse_options=parsing, convert_options=as_sent) as reader:
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _header(path: Path) -> tuple[list[str], bool]:
    """The names in the first row of a CSV, and whether another row follows."""
    with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        rows = (row for row in csv.reader(file) if row)
        try:
            return next(rows, []), next(rows, None) is not None
        except csv.Error as error:
            raise ConfigurationError(f"{path} cannot be read as Parquet or CSV: {error}") from error


def _demand(path: Path, names: list[str], required: list[str]) -> None:
    has = ", ".join(ascii(name)[1:-1] for name in names)[:200]
    if missing := [name for name in required if name not in names]:
        raise ConfigurationError(f"{path} lacks column {', '.join(missing)}; it has {has}")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{path} has two columns of one name; it has {has}")


@contextmanager
def clear(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        said = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise ConfigurationError(f"{path} cannot be read: {said[:300]}") from error
