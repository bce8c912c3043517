"""Reads the landed records back: what a table of schema RAW holds, in the order of the log."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import UTC
from math import isfinite
from operator import itemgetter
from typing import Any, TypeVar

from snowflake.connector import SnowflakeConnection

from include.surveillance import wire
from include.surveillance.broker import Received
from include.surveillance.records import Record
from include.surveillance.timespans import to_ms, to_utc
from include.surveillance.warehouse.rows import LANDED, write_time
from include.surveillance.warehouse.statements import as_warehouse_error, statement

R = TypeVar("R", bound=Record)
ROWS = 50_000


def read_landed(connection: SnowflakeConnection, kind: type[R], from_ms: float, to_ms: float) -> Iterator[list[R]]:
    """Yield the records of one kind that have landed, batch by batch; one that was published again as its newest.

    Args:
        from_ms, to_ms: of records of bars, those that start in [from_ms, to_ms); infinities are no limit.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    table = LANDED[kind]
    limits = {name: round(ms) if isfinite(ms) else None for name, ms in (("from_ms", from_ms), ("to_ms", to_ms))}
    with as_warehouse_error(f"read {table}"), connection.cursor() as cursor:
        cursor.execute(statement("select_payloads", table=table), limits)
        while rows := cursor.fetchmany(ROWS):
            records = (wire.decode(payload.encode()) for (payload,) in rows)
            yield [record for record in records if isinstance(record, kind)]


def read_messages(
    connection: SnowflakeConnection,
    *kinds: type[Record],
    event_id: str | None = None,
    symbols: Collection[str] | None = None,
    until_ms: int | None = None,
) -> list[Received]:
    """Read every landed message of these kinds' tables as it was on the log, in the order of each partition.

    Args:
        event_id: None: all.
        symbols: None: all, and messages without a value too.
        until_ms: without those that Kafka has stored later, UTC epoch ms.

    Returns:
        Messages whose ``key`` is the id of what they say. Of a topic that was made anew those of the log before come
        first: what lands later is further on in the log.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    values = {
        "event_id": event_id,
        "symbols": None if symbols is None else json.dumps(sorted(symbols)),
        "until": None if until_ms is None else write_time(to_utc(until_ms)),
    }
    rows: list[tuple[Any, ...]] = []
    for table in dict.fromkeys(LANDED[kind] for kind in kinds):
        with as_warehouse_error(f"read {table}"), connection.cursor() as cursor:
            cursor.execute(statement("select_messages", table=table), values)
            rows += cursor.fetchall()
    return [
        Received(topic, partition, offset, to_ms(at.replace(tzinfo=UTC)), key, payload and payload.encode())
        for _, topic, partition, offset, at, key, payload in sorted(rows, key=itemgetter(0, 1, 2, 3))
    ]
