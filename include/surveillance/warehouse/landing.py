"""Landing: stores rows of a topic and the offsets that they came from in one transaction.

A run that dies at any point has stored a batch wholly or not at all, and a repeated one merges the same rows by
``event_id``, so no row is lost or doubled. Offsets live in RAW.KAFKA_OFFSETS, not in a Kafka group. Where a topic does
not have such a place any more, people are told and landing goes on at the last common one.
"""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import Error as SnowflakeError

from include.surveillance import broker, failpoints
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.errors import BrokerError
from include.surveillance.places import Place
from include.surveillance.timespans import now_ms
from include.surveillance.warehouse.progress import GROUP
from include.surveillance.warehouse.rows import TABLES, make_rows, make_table, write_time
from include.surveillance.warehouse.schema import check_tables
from include.surveillance.warehouse.statements import as_warehouse_error, statement

# The headers of an alert say when its bar was asked for, stored and examined; they are landed beside it.
WITH_HEADERS = {broker.ALERTS}


class Landed(NamedTuple):
    """How many rows were inserted or replaced by newer messages, rejects included, in how many transactions."""

    rows: int
    batches: int


def land(
    connection: SnowflakeConnection,
    kafka: broker.Kafka,
    topic: str,
    *,
    limit: int = 50_000,
    seconds: float = 120.0,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Landed:
    """Land ``topic`` in its raw table, from the stored offsets to its end, ``limit`` messages per transaction.

    No further batch is begun after ``seconds``: a backlog of hours takes several calls. ``clock`` gives LANDED_AT,
    once per batch.

    Raises:
        WarehouseError: a table is not as expected, or the warehouse refused or was lost. A batch is stored wholly or
            not at all, and the next call, over a new connection, goes on at the stored offsets.
        BrokerError: Kafka cannot be read.
    """
    until = time.monotonic() + seconds
    with as_warehouse_error(f"land {topic}"), connection.cursor() as cursor:
        check_tables(cursor, topic)
        stored = read_places(cursor)
        places, breaks = broker.resume(
            kafka, {(topic, number): stored.get((topic, number)) for number in broker.partitions_of(kafka, topic)}
        )
        if breaks:
            broker.publish(kafka, describe_breaks(breaks, now_ms()))
            for found in breaks:
                mend_place(cursor, (found.topic, found.partition), found.stored, found.resume)
        rows = batches = 0
        with broker.Reader(kafka, places, headers=topic in WITH_HEADERS) as reader:
            while True:
                batch = reader.read(limit)
                failpoints.reach("land.read")
                if batch.offsets != {position: place and place.offset for position, place in places.items()}:
                    rows += _store_batch(cursor, topic, batch, clock().astimezone(UTC))
                    batches += 1
                places = {**batch.places}
                if len(batch.messages) < limit or time.monotonic() > until:
                    return Landed(rows, batches)


def list_topics_behind(connection: SnowflakeConnection, kafka: broker.Kafka) -> list[str]:
    """List the topics with messages that have not landed.

    Raises:
        WarehouseError: the warehouse refused or was lost.
        BrokerError: Kafka cannot be read.
    """
    with as_warehouse_error("compare offsets"), connection.cursor() as cursor, broker.Bounds(kafka) as bounds:
        stored, identities = read_places(cursor), bounds.identify(TABLES)
        exist = {(topic, number) for topic, identity in identities.items() for number in range(identity.partitions)}
        _show_places(kafka, {position: place for position, place in stored.items() if position in exist})

        def is_behind(position: broker.Position) -> bool:
            oldest, end = bounds(position)
            place = stored.get(position, Place(oldest))
            # An offset that Kafka no longer has, or one of a topic that was made anew, is for landing to report.
            return place.offset != end or place.topic_id not in ("", identities[position[0]].topic_id)

        return [
            topic
            for topic, identity in identities.items()
            if any(is_behind((topic, number)) for number in range(identity.partitions))
        ]


def _show_places(kafka: broker.Kafka, places: dict[broker.Position, Place]) -> None:
    """Show in Kafka, too, what has landed, for whoever measures how far landing is behind and has no warehouse."""
    if places:
        with suppress(BrokerError):  # landing itself does not read them
            broker.commit(kafka, GROUP, places)


def last_landing(connection: SnowflakeConnection) -> datetime | None:
    """Return when offsets were last stored, aware UTC; None when nothing has ever been landed.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    with as_warehouse_error("look up the last landing"), connection.cursor() as cursor:
        cursor.execute(statement("last_landing"))
        ((stored_at,),) = cursor.fetchall()
    return stored_at.replace(tzinfo=UTC) if stored_at else None


def read_places(cursor: SnowflakeCursor) -> dict[broker.Position, Place]:
    """Read where landing goes on in each partition."""
    cursor.execute(statement("select_offsets"))
    return {
        (topic, partition): Place(offset, topic_id or "", epoch=-1 if epoch is None else epoch)
        for topic, partition, offset, topic_id, epoch in cursor.fetchall()
    }


def merge_places(cursor: SnowflakeCursor, topic: str, places: Mapping[int, Place], landed_at: datetime) -> None:
    """Store where landing goes on in each partition, unless it has come further already."""
    reached = {
        str(partition): {"next_offset": place.offset, "topic_id": place.topic_id, "leader_epoch": place.epoch}
        for partition, place in places.items()
    }
    values = {"topic": topic, "reached": json.dumps(reached), "landed_at": write_time(landed_at)}
    cursor.execute(statement("merge_offsets"), values)


def mend_place(cursor: SnowflakeCursor, position: broker.Position, stored: Place, place: Place) -> None:
    """Let landing go on at another place than the stored one, unless somebody has stored another since."""
    topic, partition = position
    values = {"topic": topic, "partition_id": partition, "stored": stored.offset}
    new = {"next_offset": place.offset, "topic_id": place.topic_id, "leader_epoch": place.epoch}
    cursor.execute(statement("mend_offset"), values | new)


def _store_batch(cursor: SnowflakeCursor, topic: str, batch: broker.Batch, landed_at: datetime) -> int:
    """Store one batch in one transaction; return the number of rows that changed."""
    rows = make_rows(batch.messages)
    if rows:
        stage_rows(cursor, make_table(rows, landed_at))
    failpoints.reach("land.staged")
    with _transaction(cursor):
        # Offsets first: their table's lock lets landings of several topics follow each other instead of colliding.
        merge_places(cursor, topic, {partition: place for (_, partition), place in batch.places.items()}, landed_at)
        failpoints.reach("land.offsets_merged")
        changed = 0
        for table in sorted(rows):
            cursor.execute(statement("merge_rows", table=table), {"table": table})
            changed += cursor.rowcount or 0
        failpoints.reach("land.rows_merged")
    failpoints.reach("land.committed")
    return changed


def stage_rows(cursor: SnowflakeCursor, table: pa.Table) -> None:
    """Put rows into the session's temporary table by way of the landing stage."""
    cursor.execute(statement("create_incoming"))
    with tempfile.TemporaryDirectory(prefix="land-") as folder:
        # A name of its own each time: a stage remembers which files a table has loaded.
        file = Path(folder) / f"{uuid.uuid4().hex}.parquet"
        pq.write_table(table, file)
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
