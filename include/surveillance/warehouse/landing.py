"""Land topics: rows and the offsets that they came from in one transaction.

A run that dies at any point has stored a batch wholly or not at all, and a repeated one merges the same rows by
``event_id``, so no row is lost or doubled. Offsets live in RAW.KAFKA_OFFSETS, not in a Kafka group.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from confluent_kafka import KafkaException
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import Error as SnowflakeError

from .. import broker
from ..broker.client import TIMEOUT_SECONDS, clear, new_consumer
from ..errors import WarehouseError
from .rows import TABLES, rows_of, to_table

SQL = Path(__file__).resolve().parents[2] / "sql"


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
    """Create schema RAW, its tables and the landing stage where they are missing.

    Raises:
        WarehouseError: the warehouse refused.
    """
    with _clear("create the raw tables"), connection.cursor() as cursor:
        cursor.execute(_sql("create_raw_schema"))
        for table in TABLES.values():
            cursor.execute(_sql("create_raw_table", table=table))
        cursor.execute(_sql("create_kafka_offsets"))
        cursor.execute(_sql("create_landing_stage"))


def utc_now() -> datetime:
    return datetime.now(UTC)


def land(
    connection: SnowflakeConnection,
    kafka: broker.Kafka,
    topic: str,
    *,
    limit: int = 50_000,
    clock: Callable[[], datetime] = utc_now,
) -> Landed:
    """Bring ``topic`` into its raw table, from the stored offsets to its end, ``limit`` messages per transaction.

    ``clock`` is asked once per batch, for LANDED_AT.

    Raises:
        WarehouseError: the warehouse refused; nothing of the current batch is stored, earlier batches are.
        BrokerError: Kafka cannot be read.
    """
    with _clear(f"land {topic}"), connection.cursor() as cursor:
        positions = _positions(cursor, kafka, topic)
        cursor.execute(_sql("create_incoming"))
        rows = batches = 0
        while True:
            batch = broker.read(kafka, positions, limit=limit)
            if batch.next_offsets != positions:
                rows += _store(cursor, topic, batch, clock().astimezone(UTC))
                batches += 1
            positions = batch.next_offsets
            if len(batch.messages) < limit:
                break
    return Landed(topic, rows, {partition: offset for (_, partition), offset in positions.items()}, batches)


def _positions(cursor: SnowflakeCursor, kafka: broker.Kafka, topic: str) -> dict[broker.Position, int | None]:
    stored = dict(cursor.execute(_sql("select_offsets"), {"topic": topic}).fetchall())
    return {(topic, partition): stored.get(partition) for partition in _partitions(kafka, topic)}


def _partitions(kafka: broker.Kafka, topic: str) -> list[int]:
    with clear(kafka, f"list partitions of {topic}"), new_consumer(kafka, "reader") as consumer:
        found = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
        if found.error:
            raise KafkaException(found.error)
        return sorted(found.partitions)


def _store(cursor: SnowflakeCursor, topic: str, batch: broker.Batch, landed_at: datetime) -> int:
    """One batch in one transaction; returns the number of rows that changed."""
    rows = rows_of(batch.messages)
    if rows:
        _stage(cursor, to_table(rows))
    now = f"{landed_at:%Y-%m-%d %H:%M:%S.%f}"
    offsets = {str(partition): offset for (_, partition), offset in batch.next_offsets.items()}
    with _transaction(cursor):
        # Offsets first: their table's lock lets landings of several topics follow each other instead of colliding.
        cursor.execute(_sql("merge_offsets"), {"topic": topic, "next_offsets": json.dumps(offsets), "landed_at": now})
        return sum(
            cursor.execute(_sql("merge_rows", table=table), {"table": table, "landed_at": now}).rowcount
            for table in sorted({row.target for row in rows})
        )


def _stage(cursor: SnowflakeCursor, table: Any) -> None:
    """Put the rows into the session's temporary table by way of the landing stage."""
    cursor.execute(_sql("empty_incoming"))
    with tempfile.TemporaryDirectory(prefix="land-") as folder:
        # A name of its own each time: a stage remembers which files a table has loaded.
        file = Path(folder) / f"{uuid.uuid4().hex}.parquet"
        parquet.write_table(table, file)
        cursor.execute(_sql("put_batch", file=file))
    cursor.execute(_sql("copy_batch", name=file.name))


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


@contextmanager
def _clear(doing: str) -> Iterator[None]:
    """The connector's errors as one sentence each."""
    try:
        yield
    except SnowflakeError as error:
        raise WarehouseError(
            f"{doing}: the warehouse answered {error.errno}: {error.msg}; "
            "this step stored nothing, so correct the cause and run it again"
        ) from error


def _sql(name: str, /, **identifiers: object) -> str:
    """The statement in ``<name>.sql``. Identifiers come from TABLES and our own file names, never from data."""
    text = (SQL / f"{name}.sql").read_text()
    return text.format_map(identifiers) if identifiers else text
