"""Reads files of rows, Parquet or CSV, into columns with verdicts, a batch at a time.

A file that starts as Parquet does is read as such, anything else as CSV. A row that cannot be used is set aside with
its reason and its text; the first reason counts. What ends the run is a file that is no table or lacks a column.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.cells import format_rows, parse_numbers, parse_texts

MAGIC = b"PAR1"
ROWS, BYTES = 1 << 20, 1 << 26  # of one batch: Parquet, CSV

Kind = Literal["text", "number", "whole"]
REJECTS = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])


class Field(NamedTuple):
    """One column that is wanted; an optional one may be absent from the file and empty in a row."""

    kind: Kind
    optional: bool = False


TEXT, NUMBER, WHOLE = Field("text"), Field("number"), Field("whole")
OPTIONAL_TEXT, OPTIONAL_NUMBER, OPTIONAL_WHOLE = Field("text", True), Field("number", True), Field("whole", True)


class Columns(NamedTuple):
    """The usable rows of a file, and the others.

    Attributes:
        values: for each field a float64 array (NaN: empty), an int64 array for required whole numbers, or for text a
            pyarrow array encoded as a dictionary (null: empty).
        rejects: a table of ``REJECTS``; ``row`` counts the file's rows from 0, ``raw`` holds the cells as CSV.
        rows: how many rows the file has.
    """

    values: Values
    rejects: pa.Table
    rows: int


# A numpy array or, for text, a dictionary of pyarrow, which has no types.
Values = dict[str, Any]
Check = Callable[[Values], tuple[np.ndarray, tuple[str, ...]]]
"""Gives each row of columns the number of its objection (0: none), and says what the numbers from 1 mean."""


def read_columns(path: Path, fields: Mapping[str, Field], check: Check | None = None) -> Columns:
    """Read the fields of a file, and set the rows aside that lack one or that ``check`` objects to.

    Raises:
        ConfigurationError: the file cannot be read, is empty or lacks a column.
    """
    required = [name for name, field in fields.items() if not field.optional]
    parts: dict[str, list] = {name: [] for name in fields}
    rejects: list[pa.Table] = []
    malformed: list[pv.InvalidRow] = []
    rows = 0
    with as_file_error(path):
        for batch in read_batches(path, required, malformed):
            row_numbers = _row_numbers(rows, batch.num_rows, malformed)
            values, reason, reasons = _parse(batch, fields)
            if check:
                objected, meanings = check(values)
                reason = np.where((reason == 0) & (objected > 0), objected + len(reasons), reason)
                reasons = [*reasons, *meanings]
            usable = reason == 0
            for name, column in values.items():
                parts[name].append(column.filter(pa.array(usable)) if fields[name].kind == "text" else column[usable])
            bad = np.flatnonzero(~usable)
            if len(bad):
                said = pa.array(np.array(reasons, dtype=object)[reason[bad] - 1], pa.string())
                raw = format_rows(batch.take(pa.array(bad)))
                rejects.append(_rejects(path, row_numbers[bad], said, raw))
            rows += batch.num_rows
    if malformed:
        row_numbers = np.array([row.number - 2 for row in malformed], dtype=np.int64)
        said = pa.array(["wrong number of fields"] * len(malformed))
        rejects.append(_rejects(path, row_numbers, said, pa.array([row.text for row in malformed])))
    table = pa.concat_tables([REJECTS.empty_table(), *rejects]).sort_by("row")
    values = {name: _join_parts(parts.pop(name), field) for name, field in fields.items()}
    return Columns(values, table, rows + len(malformed))


def check_cells(column: pa.DictionaryArray, predicate: Callable[[str | None], bool]) -> np.ndarray:
    """Test every cell, but each distinct text only once."""
    answers = np.array([*map(predicate, column.dictionary.to_pylist()), predicate(None)], dtype=bool)
    return answers[pc.fill_null(column.indices, len(column.dictionary)).to_numpy(zero_copy_only=False)]


def _parse(batch: pa.Table, fields: Mapping[str, Field]) -> tuple[Values, np.ndarray, list[str]]:
    """Return columns, for each row the number of its reason from 1 (0: none), and what the numbers mean."""
    values: Values = {}
    reason, reasons = np.zeros(batch.num_rows, dtype=np.int16), list[str]()

    def object_to(bad: np.ndarray, why: str) -> None:
        reasons.append(why)
        reason[bad & (reason == 0)] = len(reasons)

    for name, (kind, optional) in fields.items():
        column = batch[name].combine_chunks() if name in batch.column_names else pa.nulls(batch.num_rows)
        if kind == "text":
            values[name], empty, wrong = parse_texts(column)
            object_to(wrong if optional else wrong | empty, f"{name} is no text")
            continue
        numeric, empty, wrong = parse_numbers(column)
        object_to(wrong if optional else wrong | empty, f"{name} is no number")
        if kind == "whole":
            absent = empty | np.isnan(numeric) if optional else wrong | empty
            with np.errstate(invalid="ignore"):
                object_to(
                    ~absent & ~(np.isfinite(numeric) & (numeric == np.floor(numeric))), f"{name} is no whole number"
                )
        values[name] = numeric
    return values, reason, reasons


def _row_numbers(rows: int, count: int, malformed: list[pv.InvalidRow]) -> np.ndarray:
    """Number well-formed rows ``rows`` to ``rows + count`` as the file does, which counts the malformed ones, too."""
    skipped = np.array([row.number - 2 for row in malformed], dtype=np.int64) - np.arange(len(malformed))
    numbers = np.arange(rows, rows + count, dtype=np.int64)
    return numbers + np.searchsorted(skipped, numbers, side="right")


def _rejects(path: Path, rows: np.ndarray, reasons: pa.Array, raw: pa.Array) -> pa.Table:
    return pa.table([pa.array([path.name] * len(rows), pa.string()), rows, reasons, raw], schema=REJECTS)


def _join_parts(parts: list, field: Field) -> np.ndarray | pa.DictionaryArray:
    if field.kind == "text":
        kind = pa.dictionary(pa.int32(), pa.string())
        joined = pa.chunked_array(parts, kind).unify_dictionaries().combine_chunks()
        return joined if len(parts) else pa.array([], pa.string()).dictionary_encode()
    joined = np.concatenate(parts) if parts else np.empty(0)
    return joined.astype(np.int64) if field.kind == "whole" and not field.optional else joined


def read_batches(path: Path, required: list[str], malformed: list[pv.InvalidRow]) -> Iterator[pa.Table]:
    """Read a file's rows as they are; those of a CSV with too many or too few cells go to ``malformed``."""
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if not start.strip():
        raise ConfigurationError(f"{path} is empty; it needs the columns {', '.join(required)}")
    if start == MAGIC:
        with pq.ParquetFile(path) as parquet:
            _require_columns(path, parquet.schema_arrow.names, required)
            for batch in parquet.iter_batches(ROWS):
                yield pa.Table.from_batches([batch])
        return
    if path.suffix in (".parquet", ".pq"):
        raise ConfigurationError(f"{path} is no Parquet file: it starts with {start!r}, not with {MAGIC!r}")

    names, rows_follow = _header(path)
    _require_columns(path, names, required)
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
    """Read the names in the first row of a CSV, and say whether another row follows."""
    with path.open(encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        rows = (row for row in csv.reader(file) if row)
        try:
            return next(rows, []), next(rows, None) is not None
        except csv.Error as error:
            raise ConfigurationError(f"{path} cannot be read as Parquet or CSV: {error}") from error


def _require_columns(path: Path, names: list[str], required: list[str]) -> None:
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
        said = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise ConfigurationError(f"{path} cannot be read: {said[:300]}") from error
