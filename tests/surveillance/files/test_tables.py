"""Files of rows: what is kept, what is set aside and why."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from include.surveillance.errors import ConfigurationError
from include.surveillance.files.bars import read_bars
from include.surveillance.files.side_files import read_actions, read_alerts, read_labels, read_news
from tests.surveillance.files.rows import GOOD, HEADER, OPEN, csv, parquet, reasons


@pytest.mark.parametrize(
    ("column", "type_", "cells", "reason"),
    [
        ("open", pa.string(), ["100", "abc"], "open is no number"),
        ("open", pa.bool_(), [True, False], "open is no number"),
        ("ts_ms", pa.bool_(), [True, False], "ts_ms is no time"),
        ("symbol", pa.int64(), [1, 2], "symbol is no text"),
        ("symbol", pa.binary(), [b"A", b"\xff"], "symbol is no text"),
        ("volume", pa.list_(pa.int64()), [[1], [2]], "volume is no number"),
    ],
)
def test_columns_of_another_type(tmp_path, column, type_, cells, reason):
    read = read_bars(parquet(tmp_path, [GOOD | {column: cell} for cell in cells], **{column: type_}))
    assert reasons(read.rejects) == [reason] * (2 - len(read.bars))
    assert read.rejects.num_rows >= 1


def test_dictionaries_and_large_strings_are_texts(tmp_path):
    frame = pd.DataFrame([GOOD, GOOD | {"ts_ms": OPEN + 60_000}]).astype({"symbol": "category"})
    frame.to_parquet(tmp_path / "bars.parquet")
    assert len(read_bars(tmp_path / "bars.parquet").bars) == 2


def test_bytes_that_are_no_text_cost_one_row(tmp_path):
    path = csv(tmp_path, f"NVDA,minute,{OPEN},100,101,99,100,1000")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + f"\nNV\xff,minute,{OPEN},1,1,1,1,1\n".encode("latin-1"))
    read = read_bars(path)
    assert (len(read.bars), reasons(read.rejects)) == (1, ["symbol is no text"])
    assert read.rejects["raw"][0].as_py().startswith("NV\\xff,")


def read_splits(path):
    return read_actions(path, None, None)


def read_dividends(path):
    return read_actions(None, path, None)


def read_ticker_changes(path):
    return read_actions(None, None, path)


READERS = [read_bars, read_news, read_labels, read_alerts, read_splits, read_dividends, read_ticker_changes]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty; (it needs|a file of bars is .*) the columns"),
        ("empty.parquet", b"", "is empty; (it needs|a file of bars is .*) the columns"),
        ("blank.csv", b"\n\n", "is empty; .* the columns"),
        ("magic.parquet", b"symbol,ts_ms\n", "is no Parquet file"),
        ("cut.parquet", b"PAR1\x00\x00\x00PAR1", "cannot be read"),
        ("binary.csv", bytes(range(256)), "is neither Parquet nor CSV"),
        ("other.csv", b"a,b\n1,2\n", "lacks column .*; it has a, b"),
        ("folder", None, "cannot be read: Is a directory|has no file of bars"),
        ("absent.csv", None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_table_is_one_clear_sentence(tmp_path, reader, name, content, message):
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match=message) as raised:
        reader(tmp_path / name)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700


def test_a_column_given_twice_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="two columns of one name"):
        read_bars(csv(tmp_path, header=f"{HEADER},open"))


def test_batches_of_one_file_share_codes_and_row_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr("include.surveillance.files.tables.ROWS", 2)
    rows = [GOOD | {"symbol": symbol, "close": close} for symbol, close in (("C", 1), ("B", 100), ("A", 100), ("B", 0))]
    read = read_bars(parquet(tmp_path, [*rows, GOOD]))
    assert read.bars.keys == [("A", "minute"), ("B", "minute"), ("NVDA", "minute")]
    assert read.bars.code.tolist() == [0, 1, 2]
    assert read.rejects["row"].to_pylist() == [0, 3]
