"""Writes alerts, metrics and rejected rows as Parquet, one row per record or per bar, one column per field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import inspect, structs

from include.surveillance.detection.columns import BarColumns
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.tables import REJECTS
from include.surveillance.records import Alert, Metric, Record
from include.surveillance.sessions import PHASES

ROWS = 1 << 20  # of one row group


def make_schema(kind: type[Record]) -> pa.Schema:
    """Make the columns of a record as a file holds them."""
    record = inspect.type_info(kind)
    assert isinstance(record, inspect.StructType)
    return pa.schema([(field.encode_name, _arrow_type(field.type)) for field in record.fields])


def make_folder(path: Path) -> None:
    """Make the folder that results are written to, where it is missing.

    Raises:
        ConfigurationError: ``path`` cannot be a folder.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be a folder to write to: {error.strerror}") from error


def write_alerts(path: Path, alerts: Iterable[Alert]) -> None:
    """Write one row per alert."""
    rows = [structs.asdict(alert) for alert in alerts]
    pq.write_table(pa.Table.from_pylist(rows, schema=make_schema(Alert)), path)


def write_rows(path: Path, rows: pa.Table, alerts: Iterable[Alert]) -> None:
    """Write rows with columns of ``Alert``, and alerts behind them in the same columns."""
    more = [{name: getattr(alert, name) for name in rows.column_names} for alert in alerts]
    schema = pa.schema([make_schema(Alert).field(name) for name in rows.column_names])
    pq.write_table(pa.concat_tables([rows.cast(schema), pa.Table.from_pylist(more, schema=schema)]), path)


def write_rejects(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write the rejected rows of several files, each a table of ``tables.REJECTS``."""
    pq.write_table(pa.concat_tables([REJECTS.empty_table(), *tables]), path)


def write_metrics(
    path: Path,
    bars: BarColumns,
    measures: Mapping[str, np.ndarray],
    *,
    phase: np.ndarray,
    session: np.ndarray,
    profile: np.ndarray,
    profile_versions: tuple[str, ...],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write one row per bar, with the columns of ``Metric``.

    Args:
        measures: name -> one float64 per bar, NaN: not applicable; those that a Metric has are written.
        phase: for each bar the index into ``sessions.PHASES``.
        session: for each bar the session's date, int32 days since 1970-01-01.
        profile: for each bar the index into ``profile_versions``, -1: none.
        progress: is called with how many bars are written, of how many.
    """
    schema = make_schema(Metric)
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    symbols = pa.array([symbol for symbol, _ in bars.keys], pa.string())
    timespans = pa.array([timespan for _, timespan in bars.keys], pa.string())
    versions = pa.array(profile_versions, pa.string())
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(bars), ROWS):
            rows = slice(start, start + ROWS)
            part, code = bars.take(rows), pa.array(bars.code[rows])
            symbol, timespan = symbols.take(code), timespans.take(code)
            values = {name: column[rows] for name, column in measures.items()}
            values |= {"close": part.close, "volume": part.volume}
            ts = pa.array(part.ts)
            columns = {
                "event_id": _join_texts(pa.scalar("metric"), symbol, timespan, ts),
                "symbol": symbol,
                "timespan": timespan,
                "ts_ms": ts,
                "bar_event_id": _join_texts(symbol, timespan, ts, _write_hex(part.revision)),
                "session_phase": pa.array(PHASES).take(pa.array(phase[rows])),
                "session_date": _write_dates(session[rows]),
                "source": pa.array(["backfill", "live"]).take(pa.array(part.live.astype(np.int8))),
                "profile_version": versions.take(pa.array(profile[rows], mask=profile[rows] < 0)),
            }
            columns |= {name: _nullable(values.get(name), len(part)) for name in floats}
            writer.write_table(pa.table([columns[field.name] for field in schema], schema=schema))
            progress(min(start + ROWS, len(bars)), len(bars))


def _join_texts(*parts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*(part.cast(pa.string()) for part in parts), "|")


def _write_hex(revision: np.ndarray) -> pa.Array:
    """Write each as eight hex digits."""
    digits = pa.py_buffer(revision.astype(">u4").tobytes().hex().encode())
    texts = pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), len(revision), [None, digits])
    return texts.cast(pa.binary()).cast(pa.string())


def _write_dates(days: np.ndarray) -> pa.Array:
    """Write YYYY-MM-DD, but each distinct day only once."""
    distinct, index = np.unique(days, return_inverse=True)
    return pa.array(distinct.astype("datetime64[D]").astype(str).tolist(), pa.string()).take(pa.array(index))


def _nullable(values: np.ndarray | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.float64()) if values is None else pa.array(values, pa.float64(), mask=np.isnan(values))


def _arrow_type(field: inspect.Type) -> pa.DataType:
    if isinstance(field, inspect.UnionType):  # something or None
        field = next(member for member in field.types if not isinstance(member, inspect.NoneType))
    if isinstance(field, inspect.VarTupleType):
        return pa.list_(pa.string())
    return {inspect.IntType: pa.int64(), inspect.FloatType: pa.float64()}.get(type(field), pa.string())
