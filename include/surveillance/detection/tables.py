"""Files of bars, news and splits -> records; findings -> Parquet.

Parquet by its ending, anything else is read as CSV. A row that cannot be used is set aside with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import inspect, structs

from ..errors import ConfigurationError
from ..models import Alert, Bar, Metric, NewsItem, Record, Split
from .admission import objection

R = TypeVar("R", bound=Record)
BAR_COLUMNS = ("symbol", "timespan", "ts_ms", "open", "high", "low", "close", "volume")
NEWS_COLUMNS = ("symbol", "article_id", "published_ms", "title", "sentiment")
SPLIT_COLUMNS = ("ticker", "execution_date", "split_from", "split_to")


class RowError(NamedTuple):
    """A row that could not be used: its number from 0, the reason, and the row as text."""

    file: str
    row: int
    reason: str
    raw: str


def read_bars(path: Path) -> tuple[list[Bar], list[RowError]]:
    """Bars in the order of the file.

    Raises:
        ConfigurationError: the file cannot be read or lacks a column.
    """
    return _read(path, BAR_COLUMNS, _bar)


def read_news(path: Path) -> tuple[list[NewsItem], list[RowError]]:
    """News items; raises as ``read_bars``."""
    return _read(path, NEWS_COLUMNS, _news)


def read_splits(path: Path) -> tuple[list[Split], list[RowError]]:
    """Splits as Polygon gives them; raises as ``read_bars``."""
    return _read(path, SPLIT_COLUMNS, _split)


def write_records(path: Path, kind: type[Alert] | type[Metric], records: Iterable[Record]) -> None:
    """One row per record, one column per field."""
    rows = [structs.asdict(record) for record in records]
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema(kind)), path)


def write_errors(path: Path, errors: Iterable[RowError]) -> None:
    schema = pa.schema([("file", pa.string()), ("row", pa.int64()), ("reason", pa.string()), ("raw", pa.string())])
    pq.write_table(pa.Table.from_pylist([error._asdict() for error in errors], schema=schema), path)


def _read(path: Path, columns: tuple[str, ...], make: Callable[[dict], R]) -> tuple[list[R], list[RowError]]:
    rows = _frame(path, columns).to_dict("records")
    records, errors = [], []
    for number, row in enumerate(rows):
        try:
            records.append(make(row))
        except ValueError as error:
            errors.append(RowError(path.name, number, str(error), repr(row)))
    return records, errors


def _frame(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ConfigurationError(f"{path} lacks column {', '.join(missing)}; it has {', '.join(map(str, frame))}")
    return frame


def _bar(row: dict[str, Any]) -> Bar:
    bar = Bar(
        symbol=_text(row, "symbol"),
        timespan=_text(row, "timespan"),
        ts_ms=_integer(row, "ts_ms"),
        open=_number(row, "open"),
        high=_number(row, "high"),
        low=_number(row, "low"),
        close=_number(row, "close"),
        volume=_decimal(row, "volume"),
        vwap=None if _absent(row.get("vwap")) else _number(row, "vwap"),
        trades=None if _absent(row.get("trades")) else _integer(row, "trades"),
        source="backfill",
    )
    if reason := objection(bar):
        raise ValueError(reason)
    return bar


def _news(row: dict[str, Any]) -> NewsItem:
    sentiment = None if _absent(row["sentiment"]) else row["sentiment"]
    if sentiment not in (None, "positive", "neutral", "negative"):
        raise ValueError("sentiment is none of positive, neutral, negative")
    return NewsItem(
        symbol=_text(row, "symbol"),
        article_id=_text(row, "article_id"),
        published_ms=_integer(row, "published_ms"),
        title=_text(row, "title"),
        sentiment=sentiment,
        source="backfill",
    )


def _split(row: dict[str, Any]) -> Split:
    split_from, split_to = _number(row, "split_from"), _number(row, "split_to")
    if not (split_from > 0 and split_to > 0):
        raise ValueError("split ratio not positive")
    # pandas reads a date column of Parquet as a timestamp.
    date = str(row["execution_date"])[:10]
    return Split(symbol=_text(row, "ticker"), execution_date=date, split_from=split_from, split_to=split_to)


def _absent(value: Any) -> bool:
    return value is None or value == "" or value is pd.NA or (isinstance(value, float) and isnan(value))


def _text(row: dict[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{column} is no text")
    return value


def _number(row: dict[str, Any], column: str) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{column} is no number") from error


def _integer(row: dict[str, Any], column: str) -> int:
    value = _number(row, column)
    if value != value or value in (float("inf"), float("-inf")) or value != int(value):
        raise ValueError(f"{column} is no whole number")
    return int(value)


def _decimal(row: dict[str, Any], column: str) -> Decimal:
    try:
        return Decimal(str(row[column]))
    except InvalidOperation as error:
        raise ValueError(f"{column} is no number") from error


def _schema(kind: type[Alert] | type[Metric]) -> pa.Schema:
    return pa.schema([(field.encode_name, _arrow(field.type)) for field in inspect.type_info(kind).fields])


def _arrow(field: inspect.Type) -> pa.DataType:
    if isinstance(field, inspect.UnionType):  # something or None
        field = next(member for member in field.types if not isinstance(member, inspect.NoneType))
    if isinstance(field, inspect.VarTupleType):
        return pa.list_(pa.string())
    return {inspect.IntType: pa.int64(), inspect.FloatType: pa.float64()}.get(type(field), pa.string())
