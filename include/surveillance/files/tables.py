"""Reads files of rows, Parquet or CSV, packed or not, into columns with verdicts, a batch at a time.

A file that starts as Parquet does is read as such, anything else as CSV. A row that cannot be used is set aside with
its reason and its text; the first reason counts. What ends the run is a file that is no table or lacks a column.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.cells import format_rows, parse_numbers, parse_texts
from include.surveillance.texts import one_line

MAGIC = b"PAR1"
PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
NO_TABLES = {
    b"PK": "is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook; save the sheet as CSV",
    b"\xff\xfe": "is text in UTF-16; save it as UTF-8",
    b"\xfe\xff": "is text in UTF-16; save it as UTF-8",
}
SEPARATORS = ",;\t|"
ROWS, BYTES = 1 << 20, 1 << 26  # of one batch: Parquet, CSV
SAMPLE_BYTES, SAMPLE_ROWS = 1 << 16, 20  # of a CSV, to see what it is

NOT_ASKED_FOR = -1
Kind = Literal["text", "number", "whole", "cells"]
REJECTS = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])


class Field(NamedTuple):
    """One column that is wanted; an optional one may be empty in a row and, unless it is ``present``, absent.

    Of the kind ``cells`` it is handed on as the file has it.
    """

    kind: Kind
    optional: bool = False
    present: bool = False


TEXT, NUMBER, WHOLE, CELLS = Field("text"), Field("number"), Field("whole"), Field("cells")
OPTIONAL_TEXT, OPTIONAL_NUMBER = Field("text", True), Field("number", True)


class Columns(NamedTuple):
    """The usable rows of a file, and the others.

    Attributes:
        values: for each field a float64 array (NaN: empty or, where it is optional, no number), an int64 array for
            whole numbers, or for text a pyarrow array encoded as a dictionary (null: empty).
        rejects: a table of ``REJECTS``; ``row`` counts the file's rows from 0, ``raw`` holds the cells as CSV.
        rows: how many rows of the file were asked for.
    """

    values: Values
    rejects: pa.Table
    rows: int


# A numpy array or, for text, a dictionary of pyarrow, which has no types.
Values = dict[str, Any]
Check = Callable[[Values], tuple[np.ndarray, tuple[str, ...]]]
"""Gives each row of columns the number of its objection (0: none, ``NOT_ASKED_FOR``: the row is left out), and says
what the numbers from 1 mean. What is read of cells, it puts in their place."""


@dataclass
class Table:
    """One file of rows.

    Attributes:
        names: of its columns, as the file has them.
        first_rows: some rows of a CSV, each a list of cells; none of Parquet.
        header: the rows of a CSV before those of data.
        separator: of a CSV's cells.
        packing: what a CSV is packed with, as Arrow calls it.
        malformed: rows of a CSV with too many or too few cells, once they are read.
    """

    path: Path
    names: list[str]
    first_rows: list[list[str]]
    header: list[list[str]] = field(default_factory=list)
    separator: str = ","
    packing: str | None = None
    parquet: bool = False

    def __post_init__(self) -> None:
        self.malformed: list[pv.InvalidRow] = []

    def batches(self, progress: Callable[[int], None] = lambda bytes_read: None) -> Iterator[pa.Table]:
        """Yield the rows as they are; ``progress`` is called with how many bytes of the file are read."""
        with pa.OSFile(str(self.path)) as file:
            for batch in self._parquet_batches(file) if self.parquet else self._csv_batches(file):
                yield batch
                progress(self.path.stat().st_size if self.parquet else file.tell())

    def _parquet_batches(self, file: pa.NativeFile) -> Iterator[pa.Table]:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(ROWS):
                yield pa.Table.from_batches([batch])

    def _csv_batches(self, file: pa.NativeFile) -> Iterator[pa.Table]:
        if not self.first_rows:
            return

        def set_aside(row: pv.InvalidRow) -> str:
            self.malformed.append(row)
            return "skip"

        # The cells are decoded one by one later: a bad byte must not cost the file.
        as_sent = pv.ConvertOptions(
            column_types=dict.fromkeys(self.names, pa.binary()), null_values=[], check_utf8=False
        )
        # With threads a malformed row comes without its number.
        reading = pv.ReadOptions(use_threads=False, block_size=BYTES)
        if len(self.header) != 1:
            reading.column_names, reading.skip_rows = self.names, len(self.header)
        parsing = pv.ParseOptions(delimiter=self.separator, newlines_in_values=True, invalid_row_handler=set_aside)
        source = pa.CompressedInputStream(file, self.packing) if self.packing else file
        with pv.open_csv(source, read_options=reading, parse_options=parsing, convert_options=as_sent) as reader:
            for batch in reader:
                yield pa.Table.from_batches([batch])

    def row_of(self, malformed: pv.InvalidRow) -> int:
        """Return the number of a malformed row, counted from 0."""
        return malformed.number - 1 - len(self.header)


def open_table(
    path: Path,
    needs: str,
    *,
    knows: Callable[[Sequence[str]], int] = len,
    headed: Callable[[Sequence[Sequence[str]]], tuple[Sequence[str], int]] = lambda rows: (rows[0], 1),
) -> Table:
    """Look at a file's first bytes, and say what it is.

    Args:
        needs: what such a file needs, for the message about an empty one.
        knows: counts the cells of a header that make sense: the separator with the most is the file's.
        headed: returns the names of the columns, by the file's first rows, and how many of these are a header.

    Raises:
        ConfigurationError: the file cannot be read, is empty or is no table.
    """
    with as_file_error(path), path.open("rb") as file:
        start = file.read(max(map(len, (MAGIC, *PACKED, *NO_TABLES))))
        packing = next((packed for magic, packed in PACKED.items() if start.startswith(magic)), None)
        file.seek(0)
        source = pa.CompressedInputStream(pa.PythonFile(file), packing) if packing else pa.PythonFile(file)
        sample = b"" if start.startswith(MAGIC) else source.read(SAMPLE_BYTES)
        if start.startswith(MAGIC):
            with pq.ParquetFile(path) as parquet:
                return Table(path, parquet.schema_arrow.names, [], parquet=True)
    if not sample.strip():
        raise ConfigurationError(f"{path} is empty; {needs}")
    if what := next((what for magic, what in NO_TABLES.items() if sample.startswith(magic)), None):
        raise ConfigurationError(f"{path} {what}")
    if b"\0" in sample:
        raise ConfigurationError(f"{path} is neither Parquet nor CSV: it holds bytes that are no text")
    if path.suffix in (".parquet", ".pq"):
        raise ConfigurationError(f"{path} is no Parquet file: it does not start with {MAGIC.decode()}")
    lines = sample.decode("utf-8-sig", errors="backslashreplace").splitlines(keepends=True)
    rows = {separator: _split(path, lines, separator) for separator in SEPARATORS}
    separator = max(rows, key=lambda it: (knows(rows[it][0]), len(rows[it][0])))
    first = rows[separator]
    names, count = headed(first)
    return Table(path, list(names), first[count:], first[:count], separator, packing)


def _split(path: Path, lines: list[str], separator: str) -> list[list[str]]:
    rows = (row for row in csv.reader(lines, delimiter=separator) if row)
    try:
        return list(islice(rows, SAMPLE_ROWS))
    except csv.Error as error:
        raise ConfigurationError(f"{path} cannot be read as Parquet or CSV: {error}") from error


def read_columns(path: Path, fields: Mapping[str, Field], check: Check | None = None) -> Columns:
    """Read the fields of a file, and set the rows aside that lack one or that ``check`` objects to.

    Raises:
        ConfigurationError: the file cannot be read, is empty or lacks a column.
    """
    required = [name for name, field in fields.items() if field.present or not field.optional]
    table = open_table(path, f"it needs the columns {', '.join(required)}")
    require_columns(path, table.names, required)
    return read_fields(table, fields, check)


def read_fields(
    table: Table,
    fields: Mapping[str, Field],
    check: Check | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    file: str | None = None,
    progress: Callable[[int], None] = lambda bytes_read: None,
) -> Columns:
    """Read the fields of an open table.

    Args:
        columns: the column of each field that is named otherwise.
        file: what rejects call the file, unless its name.
        progress: as of ``Table.batches``.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    parts: dict[str, list] = {name: [] for name in fields}
    rejects: list[pa.Table] = []
    name_of_file, malformed, rows, asked = file or table.path.name, table.malformed, 0, 0
    columns = columns or {}
    with as_file_error(table.path):
        for batch in table.batches(progress):
            row_numbers = _row_numbers(rows, batch.num_rows, [table.row_of(row) for row in malformed])
            values, reason, reasons = _parse(batch, fields, columns)
            if check:
                objected, meanings = check(values)
                reason = np.where((reason == 0) & (objected > 0), objected + len(reasons), reason)
                reason[objected == NOT_ASKED_FOR] = NOT_ASKED_FOR
                reasons = [*reasons, *meanings]
                asked -= int(np.count_nonzero(objected == NOT_ASKED_FOR))
            usable = reason == 0
            for name, column in values.items():
                parts[name].append(column.filter(pa.array(usable)) if isinstance(column, pa.Array) else column[usable])
            bad = np.flatnonzero(reason > 0)
            if len(bad):
                said = pa.array(np.array(reasons, dtype=object)[reason[bad] - 1], pa.string())
                raw = format_rows(batch.take(pa.array(bad)))
                rejects.append(_rejects(name_of_file, row_numbers[bad], said, raw))
            rows += batch.num_rows
            asked += batch.num_rows
    if malformed:
        row_numbers = np.array([table.row_of(row) for row in malformed], dtype=np.int64)
        said = pa.array(["wrong number of fields"] * len(malformed))
        rejects.append(_rejects(name_of_file, row_numbers, said, pa.array([row.text for row in malformed])))
    rejected = pa.concat_tables([REJECTS.empty_table(), *rejects]).sort_by("row")
    values = {name: _join_parts(parts.pop(name), field) for name, field in fields.items()}
    return Columns(values, rejected, asked + len(malformed))


def check_cells(column: pa.DictionaryArray, predicate: Callable[[str | None], bool]) -> np.ndarray:
    """Test every cell, but each distinct text only once."""
    answers = np.array([*map(predicate, column.dictionary.to_pylist()), predicate(None)], dtype=bool)
    return answers[pc.fill_null(column.indices, len(column.dictionary)).to_numpy(zero_copy_only=False)]


def _parse(
    batch: pa.Table, fields: Mapping[str, Field], columns: Mapping[str, str]
) -> tuple[Values, np.ndarray, list[str]]:
    """Return columns, for each row the number of its reason from 1 (0: none), and what the numbers mean."""
    values: Values = {}
    reason, reasons = np.zeros(batch.num_rows, dtype=np.int16), list[str]()

    def object_to(bad: np.ndarray, why: str) -> None:
        reasons.append(why)
        reason[bad & (reason == 0)] = len(reasons)

    for name, (kind, optional, _) in fields.items():
        there = columns.get(name, name)
        column = batch[there].combine_chunks() if there in batch.column_names else pa.nulls(batch.num_rows)
        if kind == "cells":
            values[name] = column
            continue
        if kind == "text":
            values[name], empty, wrong = parse_texts(column)
            object_to(wrong if optional else wrong | empty, f"{name} is no text")
            continue
        values[name], empty, wrong = parse_numbers(column)
        if not optional:
            object_to(wrong | empty, f"{name} is no number")
        if kind == "whole":
            with np.errstate(invalid="ignore"):
                whole = np.isfinite(values[name]) & (values[name] == np.floor(values[name]))
            object_to(~(wrong | empty | whole), f"{name} is no whole number")
    return values, reason, reasons


def _row_numbers(rows: int, count: int, malformed: list[int]) -> np.ndarray:
    """Number well-formed rows ``rows`` to ``rows + count`` as the file does, which counts the malformed ones, too."""
    skipped = np.array(malformed, dtype=np.int64) - np.arange(len(malformed))
    numbers = np.arange(rows, rows + count, dtype=np.int64)
    return numbers + np.searchsorted(skipped, numbers, side="right")


def _rejects(file: str, rows: np.ndarray, reasons: pa.Array, raw: pa.Array) -> pa.Table:
    return pa.table([pa.array([file] * len(rows), pa.string()), rows, reasons, raw], schema=REJECTS)


def _join_parts(parts: list, field: Field) -> np.ndarray | pa.DictionaryArray:
    if field.kind == "text":
        kind = pa.dictionary(pa.int32(), pa.string())
        joined = pa.chunked_array(parts, kind).unify_dictionaries().combine_chunks()
        return joined if len(parts) else pa.array([], pa.string()).dictionary_encode()
    joined = np.concatenate(parts) if parts else np.empty(0)
    return joined.astype(np.int64) if field.kind == "whole" else joined


def require_columns(path: Path, names: list[str], required: list[str]) -> None:
    """Raise ConfigurationError when a column is missing or comes twice."""
    has = ", ".join(ascii(name)[1:-1] for name in names)[:200]
    if missing := [name for name in required if name not in names]:
        raise ConfigurationError(f"{path} lacks column {', '.join(missing)}; it has {has}")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{path} has two columns of one name; it has {has}")


@contextmanager
def as_file_error(path: Path) -> Iterator[None]:
    """Raise what goes wrong while a file is read as ConfigurationError, in one sentence."""
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        # Arrow quotes what it could not read.
        said = ascii(one_line(str(getattr(error, "strerror", None) or error), 200))[1:-1]
        cut = "; it is packed, and cut short or damaged: copy it again" if "ompress" in said else ""
        raise ConfigurationError(f"{path} cannot be read: {said}{cut}") from error
