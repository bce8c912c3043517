"""Parses the cells of one column as text or numbers, whatever type the file gives them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# What Arrow parses exactly as Python does; the rest is left to Python.
_PLAIN = r"^[+-]?\d{1,18}(\.\d{0,40})?([eE][+-]?\d{1,2})?$"
_NOT_PLAIN_IN_CSV = r'[,"\r\n]'


def parse_texts(column: pa.Array) -> tuple[pa.DictionaryArray, np.ndarray, np.ndarray]:
    """Return texts without blanks around, null where there is none; which cells are empty; which hold no text."""
    strings, wrong = decode_strings(column)
    if strings is None:
        empty = _mask(column.is_null())
        return pa.nulls(len(column), pa.string()).dictionary_encode(), empty, ~empty
    strings = _trim(strings)
    return strings.dictionary_encode(), _mask(strings.is_null()) & ~wrong, wrong


def parse_numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return float64, NaN where there is none; which cells are empty; which hold something else than a number."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        empty = _mask(column.is_null())
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return values, empty, np.zeros(len(column), dtype=bool)
    # Arrow's own way from decimal to float64 is off by a bit now and then.
    strings, wrong = decode_strings(column.cast(pa.string()) if pa.types.is_decimal(kind) else column)
    if strings is None:
        empty = _mask(column.is_null())
        return np.full(len(column), np.nan), empty, ~empty
    strings = _trim(strings)
    empty = _mask(strings.is_null()) & ~wrong
    try:
        return strings.cast(pa.float64()).to_numpy(zero_copy_only=False).copy(), empty, wrong
    except pa.ArrowInvalid:
        return _parse_one_by_one(strings, empty, wrong)


def format_rows(rows: pa.Table) -> pa.Array:
    """Write each row's cells as a line of CSV."""
    cells = []
    for column in rows.columns:
        text = _as_strings(column.combine_chunks())
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
        cells.append(pc.if_else(pc.match_substring_regex(text, _NOT_PLAIN_IN_CSV), quoted, text))
    return pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")


def decode_strings(column: pa.Array) -> tuple[pa.Array | None, np.ndarray]:
    """Decode a column as text, None when it is of another type; and say which cells are bytes that are no text."""
    wrong = np.zeros(len(column), dtype=bool)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type) or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column.cast(pa.string()), wrong
    if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
        return pc.strftime(column, "%Y-%m-%d"), wrong
    if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
        return pc.binary_join(column, ","), wrong
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        return None, wrong
    try:
        return column.cast(pa.string()), wrong
    except pa.ArrowInvalid:
        decoded = []
        for index, cell in enumerate(column.to_pylist()):
            try:
                decoded.append(None if cell is None else cell.decode())
            except UnicodeDecodeError:
                decoded.append(None)
                wrong[index] = True
        return pa.array(decoded, pa.string()), wrong


def _parse_one_by_one(
    strings: pa.Array, empty: np.ndarray, wrong: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    plain = pc.fill_null(pc.match_substring_regex(strings, _PLAIN), False)
    values = pc.if_else(plain, strings, None).cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
    odd = np.flatnonzero(~_mask(plain) & ~empty & ~wrong)
    texts = strings.take(pa.array(odd)).dictionary_encode()
    parsed = np.array([_parse_number(text) for text in texts.dictionary.to_pylist()], dtype=object)[texts.indices]
    wrong = wrong.copy()
    wrong[odd] = parsed == None  # noqa: E711 - of each element
    values[odd] = np.where(wrong[odd], np.nan, parsed).astype(float)
    return values, empty, wrong


def _parse_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _trim(strings: pa.Array) -> pa.Array:
    strings = pc.utf8_trim_whitespace(strings)
    return pc.if_else(pc.equal(strings, ""), None, strings)


def _as_strings(column: pa.Array) -> pa.Array:
    try:
        return pc.fill_null(column.cast(pa.string()), "")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([_as_text(cell) for cell in column.to_pylist()], pa.string())


def _as_text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode(errors="backslashreplace")
    return "" if cell is None else str(cell)


def _mask(array: pa.Array) -> np.ndarray:
    return array.to_numpy(zero_copy_only=False)
