"""Land topics: rows and the offsets that they came from in one transaction.

A run that dies at any point has stored a batch wholly or not at all, and a repeated one merges the same rows by
``event_id``, so no row is lost or doubled. Offsets live in RAW.KAFKA_OFFSETS, not in a Kafka group.
"""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import Error as SnowflakeError

from include.surveillance import broker, failpoints
from include.surveillance.warehouse import schema
from include.surveillance.warehouse.rows import TABLES, rows_of, to_table
from include.surveillance.warehouse.statements import as_warehouse_error, statement

# What a record's headers say is landed beside it: when an alert's bar was asked for, stored and examined.
WITH_HEADERS = {broker.ALERTS}


@dataclass(frozen=True)
class Landed:
    """What one call stored.

    Attributes:
        topic: the topic.
        rows: rows inserted or replaced by newer messages, rejects included.
        offsets: partition -> the offset from which the next call goes on.
        batches: transactions committed.
    """

    topic: str
    rows: int
    offsets: dict[int, int]
    batches: int


def create_tables(connection: SnowflakeConnection) -> None:
    """Create schema RAW, its tables, their columns and the landing stage where they are missing.

    Raises:
        WarehouseError: the warehouse refused.
    """
    with as_warehouse_error("create the raw tables"), connection.cursor() as cursor:
        schema.create(cursor)


def utc_now() -> datetime:
    return datetime.now(UTC)


def land(
    connection: SnowflakeConnection,
    kafka: broker.Kafka,
    topic: str,
    *,
    limit: int = 50_000,
    seconds: float = 120.0,
    clock: Callable[[], datetime] = utc_now,
) -> Landed:
    """Bring ``topic`` into its raw table, from the stored offsets to its end, ``limit`` messages per transaction.

    After ``seconds`` no further batch is begun: a backlog of hours is worked off in several calls. ``clock`` is asked
    once per batch, for LANDED_AT.

    Raises:
        WarehouseError: a table is not as expected, or the warehouse refused or was lost. A batch is stored wholly or
            not at all, and the next call, over a new connection, goes on at the stored offsets.
        BrokerError: Kafka cannot be read.
    """
    until = time.monotonic() + seconds
    with as_warehouse_error(f"land {topic}"), connection.cursor() as cursor:
        schema.check(cursor, topic)
        positions = _positions(cursor, kafka, topic)
        rows = batches = 0
        with broker.Reader(kafka, positions, headers=topic in WITH_HEADERS) as reader:
            while True:
                batch = reader.read(limit)
                failpoints.reach("land.read")
                if batch.next_offsets != positions:
                    rows += _store(cursor, topic, batch, clock().astimezone(UTC))
                    batches += 1
                positions = batch.next_offsets
                if len(batch.messages) < limit or time.monotonic() > until:
                    break
    return Landed(topic, rows, {partition: offset for (_, partition), offset in positions.items()}, batches)


def behind(connection: SnowflakeConnection, kafka: broker.Kafka) -> list[str]:
    """The topics that hold something which has not landed.

    Raises:
        WarehouseError: the warehouse refused or was lost.
        BrokerError: Kafka cannot be read.
    """
    with as_warehouse_error("compare offsets"), connection.cursor() as cursor, broker.Bounds(kafka) as bounds:
        stored = _stored(cursor)

        def waits(position: broker.Position) -> bool:
            oldest, end = bounds(position)
            # What Kafka no longer holds, or a topic that was made anew, is for landing to report.
            return stored.get(position, oldest) != end

        topics = {topic: broker.partitions_of(kafka, topic) for topic in TABLES}
        return [topic for topic, found in topics.items() if any(waits((topic, number)) for number in found)]


def last_landing(connection: SnowflakeConnection) -> datetime | None:
    """Return when offsets were last stored, aware UTC; None when nothing has ever been landed.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    with as_warehouse_error("look up the last landing"), connection.cursor() as cursor:
        stored_at = cursor.execute(statement("last_landing")).fetchone()[0]
    return stored_at and stored_at.replace(tzinfo=UTC)


def _positions(cursor: SnowflakeCursor, kafka: broker.Kafka, topic: str) -> dict[broker.Position, int | None]:
    stored = _stored(cursor)
    return {(topic, partition): stored.get((topic, partition)) for partition in broker.partitions_of(kafka, topic)}


def _stored(cursor: SnowflakeCursor) -> dict[broker.Position, int]:
    found = cursor.execute(statement("select_offsets")).fetchall()
    return {(topic, partition): offset for topic, partition, offset in found}


def _store(cursor: SnowflakeCursor, topic: str, batch: broker.Batch, landed_at: datetime) -> int:
    """One batch in one transaction; returns the number of rows that changed."""
    rows = rows_of(batch.messages)
    if rows:
        _stage(cursor, to_table(rows))
    failpoints.reach("land.staged")
    now = f"{landed_at:%Y-%m-%d %H:%M:%S.%f}"
    offsets = {str(partition): offset for (_, partition), offset in batch.next_offsets.items()}
    with _transaction(cursor):
        # Offsets first: their table's lock lets landings of several topics follow each other instead of colliding.
        progress = {"topic": topic, "next_offsets": json.dumps(offsets), "landed_at": now}
        cursor.execute(statement("merge_offsets"), progress)
        failpoints.reach("land.offsets_merged")
        changed = sum(
            cursor.execute(statement("merge_rows", table=table), {"table": table, "landed_at": now}).rowcount
            for table in sorted(rows)
        )
        failpoints.reach("land.rows_merged")
    failpoints.reach("land.committed")
    return changed


def _stage(cursor: SnowflakeCursor, table: Any) -> None:
    """Put the rows into the session's temporary table by way of the landing stage."""
    cursor.execute(statement("create_incoming"))
    with tempfile.TemporaryDirectory(prefix="land-") as folder:
        # A name of its own each time: a stage remembers which files a table has loaded.
        file = Path(folder) / f"{uuid.uuid4().hex}.parquet"
        parquet.write_table(table, file)
        cursor.execute(statement("put_batch", file=file))
    cursor.execute(statement("copy_batch", name=file.name))


@contextmanager
def _transaction(cursor: SnowflakeCursor) -> Iterator[None]:
    cursor.execute("begin")
    try:
        yield
        cursor.execute("commit")
    except BaseException:
        with suppress(SnowflakeError):  # a lost connection has rolled back already; the first error is the one to see
            cursor.execute("rollback")
        raise
