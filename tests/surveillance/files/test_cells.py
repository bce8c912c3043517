"""Cells of any type as text or numbers, the empty and the wrong ones marked."""

from __future__ import annotations

import io
from csv import reader

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from include.surveillance.files.cells import format_rows, parse_numbers, parse_texts

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=10))
def test_texts_come_back_without_blanks_around_and_no_text_is_empty(cells):
    column, empty, wrong = parse_texts(pa.array(cells, pa.string()))
    texts = [(cell or "").strip() for cell in cells]
    assert column.to_pylist() == [text or None for text in texts]
    assert empty.tolist() == [not text for text in texts]
    assert not wrong.any()


@given(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False).map(repr) | TEXTS, min_size=1, max_size=10)
)
def test_numbers_are_what_python_reads_from_the_same_text(cells):
    values, empty, wrong = parse_numbers(pa.array(cells, pa.string()))
    for cell, value, is_empty, is_wrong in zip(cells, values.tolist(), empty.tolist(), wrong.tolist(), strict=True):
        if cell is None or not cell.strip():
            assert is_empty or is_wrong
            continue
        try:
            expected = float(cell)
        except ValueError:
            assert is_wrong
        else:
            assert not is_wrong
            assert np.float64(value).tobytes() == np.float64(expected).tobytes() or expected != expected


def test_bytes_that_are_no_text_are_wrong_and_the_others_are_not():
    column, empty, wrong = parse_texts(pa.array([b"a", b"\xff", None, b""], pa.binary()))
    assert (column.to_pylist(), empty.tolist(), wrong.tolist()) == (
        ["a", None, None, None], [False, False, True, True], [False, True, False, False]
    )  # fmt: skip


def test_a_column_of_another_type_is_wrong_where_it_is_not_empty():
    column = pa.array([[1], None], pa.list_(pa.int64()))
    for parse in (parse_texts, parse_numbers):
        _, empty, wrong = parse(column)
        assert (empty.tolist(), wrong.tolist()) == ([False, True], [True, False])


@given(st.lists(st.tuples(TEXTS, st.none() | st.integers(-9, 9)), min_size=1, max_size=5))
def test_a_row_as_text_is_a_line_of_csv(rows):
    table = pa.table({"a": [a for a, _ in rows], "b": pa.array([b for _, b in rows], pa.int64())})
    for line, (a, b) in zip(format_rows(table).to_pylist(), rows, strict=True):
        assert next(reader(io.StringIO(line, newline=""))) == [a, "" if b is None else str(b)]
