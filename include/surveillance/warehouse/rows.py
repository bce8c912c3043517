"""Rows of messages: the table that each message belongs to, and the columns of its row. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from include.surveillance import broker, wire
from include.surveillance.records import (
    Alert,
    AuditEntry,
    Bar,
    Disposition,
    Dividend,
    Instrument,
    Metric,
    NewsItem,
    ParametersVersion,
    Profile,
    Record,
    Reject,
    ScheduledEvent,
    Split,
    TickerChange,
    Watermark,
)

REJECTED_TABLE = "RAW_REJECTED"
LANDED: dict[type[Record], str] = {
    Bar: "RAW_BARS",
    Watermark: "RAW_WATERMARKS",
    NewsItem: "RAW_NEWS",
    Alert: "RAW_ALERTS",
    Metric: "RAW_METRICS",
    Instrument: "RAW_INSTRUMENTS",
    Split: "RAW_CORPORATE_ACTIONS",
    Dividend: "RAW_CORPORATE_ACTIONS",
    TickerChange: "RAW_CORPORATE_ACTIONS",
    ScheduledEvent: "RAW_SCHEDULED_EVENTS",
    Profile: "RAW_PROFILES",
    ParametersVersion: "RAW_PARAMETERS",
    Disposition: "RAW_DISPOSITIONS",
    AuditEntry: "RAW_AUDIT",
    Reject: REJECTED_TABLE,
}
"""Every kind of record has a table; detection's state has none, for it can be rebuilt from the log."""
TABLES = tuple(dict.fromkeys(LANDED.values()))
KINDS = {
    topic: {str(record.__struct_config__.tag): table for record, table in LANDED.items() if record.topic == topic}
    for topic in dict.fromkeys(record.topic for record in LANDED)
}
"""Landed topic -> kind -> table."""


class Row(NamedTuple):
    """The id of what a message says, and the message whose value is the row's payload."""

    event_id: str
    message: broker.Received


Rows = dict[str, list[Row]]
"""Table -> its rows, in the order of the messages."""


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
    """Make one row per message, and a reject of bytes that cannot be used."""
    rows: Rows = {}
    for message, doubtful in zip(messages, _doubtful([message.value or b"" for message in messages]), strict=True):
        kinds, value = KINDS[message.topic], message.value or b""
        if message.value is None and (table := _find_withdrawn(message)):
            rows.setdefault(table, []).append(Row(message.key, message))
            continue
        try:
            if doubtful:
                _whole.decode(value)
                value.decode()
            head = _head.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _reject(rows, message, "not JSON", str(error))
            continue
        kind, event_id = head.kind, head.event_id
        if not isinstance(kind, str) or kind not in kinds:
            _reject(rows, message, "unexpected kind", f"kind {kind!r} on {message.topic}")
        elif not isinstance(event_id, str) or not event_id:
            _reject(rows, message, "no event_id", f"event_id {event_id!r}")
        else:
            rows.setdefault(kinds[kind], []).append(Row(event_id, message))
    return rows


def make_table(rows: Rows, landed_at: datetime) -> pa.Table:
    """Return rows as an Arrow table with the columns ``INCOMING``."""
    return pa.concat_tables([_make_columns(target, own, write_time(landed_at)) for target, own in rows.items()])


def write_time(at: datetime) -> str:
    """Write an aware UTC time, or one that the warehouse has given, as it is bound and staged."""
    return f"{at:%Y-%m-%d %H:%M:%S.%f}"


def _find_withdrawn(message: broker.Received) -> str | None:
    """Return the table of a record that a message without a value takes back: its key is the id, kind first."""
    return KINDS[message.topic].get(message.key.partition("|")[0]) if message.topic == broker.BASELINES else None


def _make_columns(target: str, rows: list[Row], landed_at: str) -> pa.Table:
    messages = [row.message for row in rows]
    headers = pa.array(
        [msgspec.json.encode(message.headers) if message.headers else None for message in messages], pa.string()
    )
    stored_ms = pa.array([message.timestamp_ms for message in messages], pa.timestamp("ms"))
    columns = {
        "target": pa.repeat(target, len(rows)),
        "event_id": [row.event_id for row in rows],
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
    kept = msgspec.structs.replace(message, value=wire.encode(reject))
    rows.setdefault(REJECTED_TABLE, []).append(Row(event_id, kept))
