"""Messages -> rows: which table a message belongs to, and what its row looks like. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from .. import broker, wire

REJECTED_TABLE = "RAW_REJECTED"

TABLES = {
    broker.BARS: "RAW_BARS",
    broker.NEWS: "RAW_NEWS",
    broker.ALERTS: "RAW_ALERTS",
    broker.METRICS: "RAW_METRICS",
    broker.REFERENCE: "RAW_INSTRUMENTS",
    broker.REJECTED: REJECTED_TABLE,
}
KINDS = {
    broker.BARS: "bar",
    broker.NEWS: "news",
    broker.ALERTS: "alert",
    broker.METRICS: "metric",
    broker.REFERENCE: "instrument",
    broker.REJECTED: "reject",
}
SKIPPED_KIND = "watermark"

# Whole, though only two fields are needed: whatever this accepts, PARSE_JSON accepts too.
_decoder = msgspec.json.Decoder(dict[str, Any])


class Row(NamedTuple):
    """One row on its way to ``target``; the fields are the columns of create_incoming.sql, in order."""

    target: str
    event_id: str
    payload: str
    kafka_topic: str
    kafka_partition: int
    kafka_offset: int
    kafka_timestamp_ms: int


def rows_of(messages: Iterable[broker.Received]) -> list[Row]:
    """One row per event, the newest message's; watermarks are left out, unusable bytes become rejects."""
    newest: dict[tuple[str, str], Row] = {}
    for message in messages:
        if (row := row_of(message)) is not None:
            newest[row.target, row.event_id] = row
    return list(newest.values())


def row_of(message: broker.Received) -> Row | None:
    """The row of one message; None for a watermark."""
    try:
        content = _decoder.decode(message.value or b"")
        event_id, kind = content.get("event_id"), content.get("kind")
        payload = (message.value or b"").decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _rejected(message, "not JSON", str(error))
    if kind == SKIPPED_KIND:
        return None
    if kind != KINDS[message.topic]:
        return _rejected(message, "unexpected kind", f"kind {kind!r} on {message.topic}")
    if not isinstance(event_id, str) or not event_id:
        return _rejected(message, "no event_id", f"event_id {event_id!r}")
    return _row(message, TABLES[message.topic], event_id, payload)


def to_table(rows: list[Row]) -> pa.Table:
    """Rows as an Arrow table. The timestamp is ISO text, which Snowflake reads alike from every Parquet writer."""
    columns = dict(zip(Row._fields, map(list, zip(*rows, strict=True)), strict=True))
    moments = pa.array(columns.pop("kafka_timestamp_ms"), pa.timestamp("ms"))
    return pa.table(columns).append_column("kafka_timestamp", moments.cast("string"))


def _rejected(message: broker.Received, reason: str, detail: str) -> Row:
    event_id = f"reject|land|{message.topic}|{message.partition}|{message.offset}"
    reject = message.rejected("land", reason, detail, event_id)
    return _row(message, REJECTED_TABLE, event_id, wire.encode(reject).decode())


def _row(message: broker.Received, target: str, event_id: str, payload: str) -> Row:
    return Row(target, event_id, payload, message.topic, message.partition, message.offset, message.timestamp_ms)
