"""Exports the log into files that ``replay`` and the other commands read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from include.surveillance import broker, wire
from include.surveillance.broker import Kafka
from include.surveillance.live.background import read_background
from include.surveillance.live.intake import decode_messages
from include.surveillance.records import Bar, NewsItem, Watermark

BARS = pa.schema(
    [("symbol", pa.string()), ("timespan", pa.string()), ("ts_ms", pa.int64())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume", "vwap")]
    + [("trades", pa.int64())]
)
NEWS = pa.schema(
    [("symbol", pa.string()), ("article_id", pa.string()), ("published_ms", pa.int64()), ("title", pa.string())]
    + [(name, pa.string()) for name in ("sentiment", "url", "publisher", "tickers")]
)


class Export(NamedTuple):
    """The files written, and how many bars."""

    bar_count: int
    bars: Path
    news: Path
    splits: Path
    dividends: Path
    ticker_changes: Path
    profiles: Path


def export_log(
    kafka: Kafka,
    partitions: int,
    folder: Path,
    *,
    keep: Callable[[Bar], bool] = lambda bar: True,
    shift_ms: int = 0,
) -> Export:
    """Write bars, news, corporate actions and profiles of the log into ``folder``, in the order of the log.

    A bar or article that was corrected is written as often as it came; readers take the last.

    Args:
        keep: says which bars to write.
        shift_ms: how far a replay has moved recorded time; bars and news are written with the times as recorded.
            Profiles are not moved: they were built from the moved bars.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    tables = {name: folder / f"{name}.parquet" for name in ("bars", "news", "splits", "dividends", "ticker_changes")}
    files = Export(bar_count=0, **tables, profiles=folder / "profiles.jsonl")
    count = 0
    with pq.ParquetWriter(files.bars, BARS) as writer:
        for records in _usable_records(kafka, broker.BARS, partitions):
            rows = [_bar_row(bar, shift_ms) for bar in records if isinstance(bar, Bar) and keep(bar)]
            writer.write_table(pa.Table.from_pylist(rows, schema=BARS))
            count += len(rows)
    with pq.ParquetWriter(files.news, NEWS) as writer:
        for records in _usable_records(kafka, broker.NEWS, partitions):
            newest = {(item.article_id, item.symbol): item for item in records if isinstance(item, NewsItem)}
            rows = [_news_row(item, shift_ms) for item in newest.values()]
            writer.write_table(pa.Table.from_pylist(rows, schema=NEWS))
    actions, profiles = read_background(kafka)
    _write(
        files.splits,
        [(it.symbol, it.execution_date, it.split_from, it.split_to) for it in actions.splits],
        {"ticker": pa.string(), "execution_date": pa.string(), "split_from": pa.float64(), "split_to": pa.float64()},
    )
    _write(
        files.dividends,
        [(it.symbol, it.ex_date, it.cash_amount) for it in actions.dividends if it.currency == "USD"],
        {"ticker": pa.string(), "ex_dividend_date": pa.string(), "cash_amount": pa.float64()},
    )
    _write(
        files.ticker_changes,
        [(it.symbol, it.new_symbol, it.date) for it in actions.ticker_changes],
        {"ticker": pa.string(), "new_ticker": pa.string(), "date": pa.string()},
    )
    files.profiles.write_bytes(b"".join(wire.encode(profile) + b"\n" for profile in profiles))
    return files._replace(bar_count=count)


def select_bars(symbols: Collection[str], timespan: str, from_ms: int, to_ms: int) -> Callable[[Bar], bool]:
    """Make a ``keep``: bars of these symbols (empty: all) and timespan that start in [from_ms, to_ms)."""

    def keep(bar: Bar) -> bool:
        return bar.timespan == timespan and from_ms <= bar.ts_ms < to_ms and (not symbols or bar.symbol in symbols)

    return keep


def _usable_records(kafka: Kafka, topic: str, partitions: int) -> Iterator[list[Bar | Watermark | NewsItem]]:
    """Read all of a topic, partition by partition."""
    for partition in range(partitions):
        for batch in broker.read_all(kafka, {(topic, partition): None}):
            yield decode_messages(batch.messages).records


def _bar_row(bar: Bar, shift_ms: int) -> dict[str, Any]:
    row = {name: getattr(bar, name) for name in BARS.names}
    return row | {"ts_ms": bar.ts_ms - shift_ms, "volume": float(bar.volume)}


def _news_row(item: NewsItem, shift_ms: int) -> dict[str, Any]:
    row = {name: getattr(item, name) for name in NEWS.names}
    return row | {"published_ms": item.published_ms - shift_ms, "tickers": ",".join(item.tickers)}


def _write(path: Path, rows: Iterable[tuple], fields: dict[str, pa.DataType]) -> None:
    schema = pa.schema(list(fields.items()))
    pq.write_table(pa.Table.from_pylist([dict(zip(fields, row, strict=True)) for row in rows], schema=schema), path)
