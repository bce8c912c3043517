"""The log -> files that ``replay`` and the other commands read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from include.surveillance import broker, wire
from include.surveillance.broker import Kafka, Position
from include.surveillance.live import intake
from include.surveillance.live.background import read_background
from include.surveillance.records import Bar, NewsItem

LIMIT = 50_000  # messages per read
BARS = pa.schema(
    [("symbol", pa.string()), ("timespan", pa.string()), ("ts_ms", pa.int64())]
    + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume", "vwap")]
    + [("trades", pa.int64())]
)
NEWS = pa.schema(
    [("symbol", pa.string()), ("article_id", pa.string()), ("published_ms", pa.int64()), ("title", pa.string())]
    + [(name, pa.string()) for name in ("sentiment", "url", "publisher", "tickers")]
)


class Files(NamedTuple):
    """Of one folder; ``count`` is the bars written."""

    count: int
    bars: Path
    news: Path
    splits: Path
    dividends: Path
    ticker_changes: Path
    profiles: Path


def record(
    kafka: Kafka,
    partitions: int,
    folder: Path,
    *,
    keep: Callable[[Bar], bool] = lambda bar: True,
    shift_ms: int = 0,
) -> Files:
    """Write bars, news, corporate actions and profiles of the log into ``folder``, in the order of the log.

    A bar or article that was corrected is written as often as it came; readers take the last.

    Args:
        keep: which bars.
        shift_ms: how far a replay has moved recorded time; bars and news are written with the times as recorded.
            Profiles are not moved: they are of the moved bars.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    names = ("bars", "news", "splits", "dividends", "ticker_changes")
    files = Files(0, *(folder / f"{name}.parquet" for name in names), folder / "profiles.jsonl")
    count = 0
    with pq.ParquetWriter(files.bars, BARS) as writer:
        for records in _log(kafka, broker.BARS, partitions):
            rows = [_bar(bar, shift_ms) for bar in records if type(bar) is Bar and keep(bar)]
            writer.write_table(pa.Table.from_pylist(rows, schema=BARS))
            count += len(rows)
    with pq.ParquetWriter(files.news, NEWS) as writer:
        for records in _log(kafka, broker.NEWS, partitions):
            newest = {(item.article_id, item.symbol): item for item in records if type(item) is NewsItem}
            rows = [_article(item, shift_ms) for item in newest.values()]
            writer.write_table(pa.Table.from_pylist(rows, schema=NEWS))
    actions, profiles = read_background(kafka)
    _write(
        files.splits,
        [(one.symbol, one.execution_date, one.split_from, one.split_to) for one in actions.splits],
        {"ticker": pa.string(), "execution_date": pa.string(), "split_from": pa.float64(), "split_to": pa.float64()},
    )
    _write(
        files.dividends,
        [(one.symbol, one.ex_date, one.cash_amount) for one in actions.dividends if one.currency == "USD"],
        {"ticker": pa.string(), "ex_dividend_date": pa.string(), "cash_amount": pa.float64()},
    )
    _write(
        files.ticker_changes,
        [(one.symbol, one.new_symbol, one.date) for one in actions.ticker_changes],
        {"ticker": pa.string(), "new_ticker": pa.string(), "date": pa.string()},
    )
    files.profiles.write_bytes(b"".join(wire.encode(profile) + b"\n" for profile in profiles))
    return files._replace(count=count)


def wanted(symbols: Collection[str], timespan: str, from_ms: int, to_ms: int) -> Callable[[Bar], bool]:
    """For ``record``: bars of these symbols (empty: all) and timespan that start in [from_ms, to_ms)."""

    def keep(bar: Bar) -> bool:
        return bar.timespan == timespan and from_ms <= bar.ts_ms < to_ms and (not symbols or bar.symbol in symbols)

    return keep


def _log(kafka: Kafka, topic: str, partitions: int) -> Iterator[list]:
    """All usable records of a topic, partition by partition."""
    for partition in range(partitions):
        positions: dict[Position, int | None] = {(topic, partition): None}
        while (batch := broker.read(kafka, positions, limit=LIMIT)).messages:
            yield intake.decode(batch.messages).records
            positions = dict(batch.next_offsets)


def _bar(bar: Bar, shift_ms: int) -> dict:
    row = {name: getattr(bar, name) for name in BARS.names}
    return row | {"ts_ms": bar.ts_ms - shift_ms, "volume": float(bar.volume)}


def _article(item: NewsItem, shift_ms: int) -> dict:
    row = {name: getattr(item, name) for name in NEWS.names}
    return row | {"published_ms": item.published_ms - shift_ms, "tickers": ",".join(item.tickers)}


def _write(path: Path, rows: Iterable[tuple], fields: dict[str, pa.DataType]) -> None:
    schema = pa.schema(list(fields.items()))
    pq.write_table(pa.Table.from_pylist([dict(zip(fields, row, strict=True)) for row in rows], schema=schema), path)
