"""Rows of messages: the table that each message belongs to, and the columns of its row. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from include.surveillance import broker, wire
from include.surveillance.records import Alert, Bar, Instrument, Metric, NewsItem, Record, Reject, Watermark

REJECTED_TABLE = "RAW_REJECTED"
LANDED: dict[type[Record], str] = {
    Bar: "RAW_BARS",
    NewsItem: "RAW_NEWS",
    Alert: "RAW_ALERTS",
    Metric: "RAW_METRICS",
    Instrument: "RAW_INSTRUMENTS",
    Reject: REJECTED_TABLE,
}
TABLES = {record.topic: table for record, table in LANDED.items()}
KINDS = {record.topic: record.__struct_config__.tag for record in LANDED}
SKIPPED_KIND = Watermark.__struct_config__.tag

Rows = dict[str, dict[str, broker.Received]]
"""Table -> event_id -> the message whose value is the row's payload."""


class Head(msgspec.Struct, gc=False):
    """The fields that decide a message's table; the others are checked for grammar and skipped."""

    kind: Any = None
    event_id: Any = None


INCOMING = pa.schema(
    [
        *((name, pa.string()) for name in ("target", "event_id", "payload", "headers", "kafka_topic")),
        *((name, pa.int64()) for name in ("kafka_partition", "kafka_offset")),
        *((name, pa.string()) for name in ("kafka_timestamp", "landed_at")),
    ]
)
"""The columns of create_incoming.sql. Times are ISO text, which Snowflake reads alike from every Parquet writer."""

_head = msgspec.json.Decoder(Head)
# PARSE_JSON accepts all that this decoder accepts. Skipping does not notice half a surrogate pair or a number too
# large for a float, so a value that may hold one is decoded whole.
_whole = msgspec.json.Decoder(dict[str, Any])
DOUBTFUL = r"\\u|[0-9][eE]\+?[0-9]{3}|[0-9]{200}"


def make_rows(messages: Sequence[broker.Received]) -> Rows:
    """Make one row per event, from its newest message; leave watermarks out, make rejects of unusable bytes."""
    rows: Rows = {}
    for message, doubtful in zip(messages, _doubtful([message.value or b"" for message in messages]), strict=True):
        value = message.value or b""
        try:
            if doubtful:
                _whole.decode(value)
                value.decode()
            head = _head.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _reject(rows, message, "not JSON", str(error))
            continue
        kind, event_id = head.kind, head.event_id
        if kind == SKIPPED_KIND:
            continue
        if kind != KINDS[message.topic]:
            _reject(rows, message, "unexpected kind", f"kind {kind!r} on {message.topic}")
        elif not isinstance(event_id, str) or not event_id:
            _reject(rows, message, "no event_id", f"event_id {event_id!r}")
        else:
            rows.setdefault(TABLES[message.topic], {})[event_id] = message
    return rows


def make_table(rows: Rows, landed_at: datetime) -> pa.Table:
    """Return rows as an Arrow table with the columns ``INCOMING``."""
    return pa.concat_tables([_make_columns(target, own, write_time(landed_at)) for target, own in rows.items()])


def write_time(at: datetime) -> str:
    """Write an aware UTC time, or one that the warehouse has given, as it is bound and staged."""
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


def _make_columns(target: str, rows: dict[str, broker.Received], landed_at: str) -> pa.Table:
    messages = rows.values()
    headers = pa.array(
        [msgspec.json.encode(message.headers) if message.headers else None for message in messages], pa.string()
    )
    stored_ms = pa.array([message.timestamp_ms for message in messages], pa.timestamp("ms"))
    columns = {
        "target": pa.repeat(target, len(rows)),
        "event_id": list(rows),
        "payload": pa.array([message.value for message in messages], pa.string()),
        "headers": headers,
        "kafka_topic": [message.topic for message in messages],
        "kafka_partition": [message.partition for message in messages],
        "kafka_offset": [message.offset for message in messages],
        "kafka_timestamp": stored_ms.cast(pa.string()),
        "landed_at": pa.repeat(landed_at, len(rows)),
    }
    return pa.table(columns, INCOMING)


def _doubtful(values: list[bytes]) -> Sequence[bool]:
    """Say which values must be decoded whole to know that they are JSON."""
    try:
        texts = pa.array(values, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:  # one of them is no UTF-8
        return [True] * len(values)
    doubtful: list[bool] = pc.match_substring_regex(texts, DOUBTFUL).to_pylist()
    return doubtful


def _reject(rows: Rows, message: broker.Received, reason: str, detail: str) -> None:
    event_id = f"reject|land|{message.topic}|{message.partition}|{message.offset}"
    reject = message.rejected("land", reason, detail, event_id)
    rows.setdefault(REJECTED_TABLE, {})[event_id] = msgspec.structs.replace(message, value=wire.encode(reject))
