"""Records of the log, or of the warehouse, as recorded files, which every study reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import structs

from include.surveillance import broker, wire
from include.surveillance.broker import Kafka, Received
from include.surveillance.files.results import make_schema, write_alerts
from include.surveillance.live.background import read_background
from include.surveillance.live.intake import decode_messages
from include.surveillance.records import Alert, Bar, Metric, NewsItem, Record, Watermark
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.validity import objection

LOG = logging.getLogger(__name__)
BARS = pa.schema(
    [("symbol", pa.string()), ("timespan", pa.string()), ("ts_ms", pa.int64())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume", "vwap")]
    + [("trades", pa.int64())]
)
OfBar = Bar | Alert | Metric
R = TypeVar("R", bound=Record)
NEWS = pa.schema(
    [("symbol", pa.string()), ("article_id", pa.string()), ("published_ms", pa.int64()), ("title", pa.string())]
    + [(name, pa.string()) for name in ("sentiment", "url", "publisher", "tickers")]
)


def export_log(
    kafka: Kafka,
    folder: Path,
    *,
    keep: Callable[[OfBar], bool] = lambda bar: True,
    shift_ms: int = 0,
) -> tuple[RecordedFiles, int]:
    """Write bars, news, corporate actions and profiles of the log into ``folder``, in the order of the log.

    A bar or article that was corrected is written as often as it came; readers keep the last.

    Args:
        keep: says which bars are written.
        shift_ms: how far a replay has moved recorded time; bars and news are written with their recorded times.
            Profiles are not moved: they describe the moved bars.

    Returns:
        The files, and how many bars were written.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    names = ("bars", "news", "splits", "dividends", "ticker_changes", "scheduled_events")
    paths = {name: folder / f"{name}.parquet" for name in names}
    profiles_path = folder / "profiles.jsonl"
    bars_written = _write_bars(paths["bars"], _read_log(kafka, broker.BARS), keep, shift_ms)
    _write_news(paths["news"], _read_log(kafka, broker.NEWS), shift_ms)
    actions, profiles = read_background(kafka)
    _write(
        paths["splits"],
        [(split.symbol, split.execution_date, split.split_from, split.split_to) for split in actions.splits],
        {"ticker": pa.string(), "execution_date": pa.string(), "split_from": pa.float64(), "split_to": pa.float64()},
    )
    _write(
        paths["dividends"],
        [(paid.symbol, paid.ex_date, paid.cash_amount) for paid in actions.dividends if paid.currency == "USD"],
        {"ticker": pa.string(), "ex_dividend_date": pa.string(), "cash_amount": pa.float64()},
    )
    _write(
        paths["ticker_changes"],
        [(change.symbol, change.new_symbol, change.date) for change in actions.ticker_changes],
        {"ticker": pa.string(), "new_ticker": pa.string(), "date": pa.string()},
    )
    _write(
        paths["scheduled_events"],
        [(event.symbol, event.date, event.event, event.time) for event in actions.scheduled],
        {"symbol": pa.string(), "date": pa.string(), "kind": pa.string(), "time": pa.string()},
    )
    profiles_path.write_bytes(b"".join(wire.encode(profile) + b"\n" for profile in profiles))
    bars, news, splits, dividends, ticker_changes, scheduled = paths.values()
    files = RecordedFiles(bars, news, splits, dividends, ticker_changes, profiles_path, scheduled_events=scheduled)
    return files, bars_written


def select_bars(
    symbols: Collection[str], timespan: str | None, from_ms: float, to_ms: float
) -> Callable[[OfBar], bool]:
    """Return a filter of what is of bars that start in [from_ms, to_ms).

    Args:
        symbols: empty: all.
        timespan: None: all.
    """

    def keep(it: OfBar) -> bool:
        chosen = (timespan is None or it.timespan == timespan) and (not symbols or it.symbol in symbols)
        return chosen and from_ms <= it.ts_ms < to_ms

    return keep


def export_alerts(batches: Iterable[list[Alert]], path: Path, *, keep: Callable[[OfBar], bool]) -> int:
    """Write messages of alerts as ``replay`` writes alerts, and return how many these are."""
    alerts = [alert for batch in batches for alert in batch if keep(alert)]
    write_alerts(path, alerts)
    return len(alerts)


def export_metrics(batches: Iterable[list[Metric]], path: Path, *, keep: Callable[[OfBar], bool]) -> int:
    """Write metrics as ``replay`` writes them, and return how many these are."""
    schema, written = make_schema(Metric), 0
    with pq.ParquetWriter(path, schema) as writer:
        for batch in batches:
            rows = [structs.asdict(metric) for metric in batch if keep(metric)]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            written += len(rows)
    return written


def export_landed(
    read: Callable[[type[Bar] | type[NewsItem]], Iterable[list[Any]]], folder: Path, *, keep: Callable[[OfBar], bool]
) -> tuple[RecordedFiles, int]:
    """Write bars and news that have landed in the warehouse into ``folder``, in the order of the log.

    Args:
        read: returns the landed records of one kind, batch by batch.
        keep: says which bars are written.

    Returns:
        The files, and how many bars were written.
    """

    def usable(kind: type[Bar] | type[NewsItem]) -> Iterator[list[Any]]:
        return ([record for record in batch if objection(record) is None] for batch in read(kind))

    bars, news = folder / "bars.parquet", folder / "news.parquet"
    bars_written = _write_bars(bars, usable(Bar), keep)
    _write_news(news, usable(NewsItem))
    return RecordedFiles(bars, news), bars_written


def read_topic(kafka: Kafka, topic: str, kind: type[R]) -> Iterator[list[R]]:
    """Yield the records of one kind of a topic, batch by batch and partition by partition.

    A message that nobody can read is left out, with a warning that says where it lies.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    for partition in broker.partitions_of(kafka, topic):
        for batch in broker.read_all(kafka, {(topic, partition): None}):
            records = map(_decode, batch.messages)
            yield [record for record in records if isinstance(record, kind)]


def _decode(message: Received) -> Record | None:
    try:
        return wire.decode(message.value)
    except wire.WireError as error:
        place = f"{message.topic}, partition {message.partition}, offset {message.offset}"
        LOG.warning("%s is left out: %s", place, error)
        return None


def _read_log(kafka: Kafka, topic: str) -> Iterator[list[Bar | Watermark | NewsItem]]:
    """Yield the usable records of a topic, batch by batch and partition by partition."""
    for partition in broker.partitions_of(kafka, topic):
        for batch in broker.read_all(kafka, {(topic, partition): None}):
            yield decode_messages(batch.messages).records


def _write_bars(path: Path, batches: Iterable[list[Any]], keep: Callable[[OfBar], bool], shift_ms: int = 0) -> int:
    written = 0
    with pq.ParquetWriter(path, BARS) as writer:
        for records in batches:
            rows = [
                _row(bar, BARS) | {"ts_ms": bar.ts_ms - shift_ms, "volume": float(bar.volume)}
                for bar in records
                if type(bar) is Bar and keep(bar)
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=BARS))
            written += len(rows)
    return written


def _write_news(path: Path, batches: Iterable[list[Any]], shift_ms: int = 0) -> None:
    with pq.ParquetWriter(path, NEWS) as writer:
        for records in batches:
            newest = {(item.article_id, item.symbol): item for item in records if type(item) is NewsItem}
            rows = [
                _row(item, NEWS) | {"published_ms": item.published_ms - shift_ms, "tickers": ",".join(item.tickers)}
                for item in newest.values()
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=NEWS))


def _row(record: Bar | NewsItem, schema: pa.Schema) -> dict[str, Any]:
    return {name: getattr(record, name) for name in schema.names}


def _write(path: Path, rows: Iterable[tuple[Any, ...]], fields: dict[str, pa.DataType]) -> None:
    schema = pa.schema(list(fields.items()))
    pq.write_table(pa.Table.from_pylist([dict(zip(fields, row, strict=True)) for row in rows], schema=schema), path)
