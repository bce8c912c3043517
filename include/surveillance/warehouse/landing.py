"""Landing: stores every message of a topic and the offsets that they came from in one transaction.

A transaction takes the offsets from the place that its batch was read from to the one behind it, or is rolled back: so
no message is lost or there twice, whatever dies, and however many land one topic at once. ``streaming`` stores batches
in another way, with the same promise. Each topic has an offsets table of its own, for Snowflake locks whole tables.
Where a topic does not have a stored place any more, people are told and landing goes on at the last common one.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import Error as SnowflakeError
from snowflake.connector.errors import ProgrammingError

from include.surveillance import broker, failpoints
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.errors import BrokerError, WarehouseError
from include.surveillance.places import Place
from include.surveillance.timespans import now_ms
from include.surveillance.warehouse.progress import GROUP
from include.surveillance.warehouse.rows import KINDS, make_rows, make_table, write_time
from include.surveillance.warehouse.schema import OFFSETS, check_tables
from include.surveillance.warehouse.statements import as_warehouse_error, statement

LOG = logging.getLogger(__name__)
# The headers of an alert say when its bar was asked for, stored and examined; they are landed beside it.
WITH_HEADERS = {broker.ALERTS}
# The warehouse's error where a statement has waited for a lock in vain.
LOCKED = 625
# Snowflake waits for half a day, also for a session that was killed and whose locks it keeps for five idle minutes. But
# a batch is stored within seconds: who has kept the offsets locked for so long is taken for dead.
LOCK_SECONDS = 30


class Landed(NamedTuple):
    """How many rows were stored, rejects included, in how many transactions."""

    rows: int
    batches: int


class OvertakenError(WarehouseError):
    """Somebody else has landed the topic meanwhile."""


Places = Mapping[broker.Position, Place | None]
Store = Callable[[SnowflakeCursor, str, Places, broker.Batch, datetime], int]
"""Stores one batch of a topic that was read from the stored places, as ``store_batch`` does."""


def store_batch(cursor: SnowflakeCursor, topic: str, stored: Places, batch: broker.Batch, landed_at: datetime) -> int:
    """Store one batch in one transaction; return the number of rows.

    Raises:
        OvertakenError: it was read from another place than the stored one; nothing was stored.
    """
    rows = make_rows(batch.messages)
    if rows:
        stage_rows(cursor, make_table(rows, landed_at))
    failpoints.reach("land.staged")
    with transaction(cursor):
        # Offsets first: whoever else lands the topic waits here, and then sees that he has come too late.
        swap_places(cursor, topic, stored, batch.places, landed_at)
        failpoints.reach("land.offsets_swapped")
        for table in rows:
            cursor.execute(statement("insert_rows", table=table), {"table": table})
        failpoints.reach("land.rows_inserted")
    failpoints.reach("land.committed")
    return sum(map(len, rows.values()))


def land(
    connection: SnowflakeConnection,
    kafka: broker.Kafka,
    topic: str,
    *,
    limit: int = 50_000,
    seconds: float = 120.0,
    store: Store = store_batch,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Landed:
    """Land ``topic`` in its raw tables, from the stored offsets to its end, ``limit`` messages per batch.

    No further batch is begun after ``seconds``: a backlog of hours takes several calls. Where somebody else lands the
    topic meanwhile, it goes on from what he has stored. ``clock`` gives LANDED_AT, once per batch.

    Raises:
        WarehouseError: a table is not as expected, or the warehouse refused or was lost, or the topic's offsets stay
            locked by somebody whose transactions are not this user's to abort. By ``store_batch`` a batch is stored
            wholly or not at all; the next call, over a new connection, goes on at the stored offsets.
        BrokerError: Kafka cannot be read.
    """
    until, rows, batches = time.monotonic() + seconds, 0, 0
    with as_warehouse_error(f"land {topic}"), connection.cursor() as cursor:
        cursor.execute(statement("set_lock_timeout"), {"seconds": LOCK_SECONDS})
        check_tables(cursor, topic)
        while True:
            try:
                with closing(_land_batches(cursor, kafka, topic, limit, store, clock)) as landing:
                    for stored in landing:
                        rows, batches = rows + stored, batches + 1
                        if time.monotonic() > until:
                            break
                return Landed(rows, batches)
            except ProgrammingError as error:
                if error.errno != LOCKED or time.monotonic() > until or not free_offsets(cursor, topic):
                    raise
            except OvertakenError as error:
                LOG.info("%s", error)
                if time.monotonic() > until:
                    return Landed(rows, batches)


def free_offsets(cursor: SnowflakeCursor, topic: str) -> bool:
    """Abort the transactions of this user that keep a topic's offsets locked; return whether there were any.

    Nothing is lost when one of them is alive: its batch is rolled back, and it goes on from what is stored.
    """
    cursor.execute(statement("show_locks"))
    names = [column.name for column in cursor.description]
    locks = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    table = f"{cursor.connection.database}.RAW.{OFFSETS[topic]}".upper()
    holding = [
        int(lock["transaction"])
        for lock in locks
        if lock["status"] == "HOLDING" and lock["resource"].replace('"', "").upper() == table
    ]
    for transaction in holding:
        LOG.warning("land %s: aborting transaction %s, which has kept %s locked", topic, transaction, table)
        cursor.execute(statement("abort_transaction"), {"transaction": transaction})
    return bool(holding)


def list_topics_behind(connection: SnowflakeConnection, kafka: broker.Kafka) -> list[str]:
    """List the topics with messages that have not landed.

    Raises:
        WarehouseError: the warehouse refused or was lost.
        BrokerError: Kafka cannot be read.
    """
    with as_warehouse_error("compare offsets"), connection.cursor() as cursor, broker.Bounds(kafka) as bounds:
        stored, identities = read_places(cursor), bounds.identify(KINDS)
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
    """Read where landing goes on in each partition of which something has landed."""
    return {position: place for position, (place, _) in read_landings(cursor).items()}


def read_landings(cursor: SnowflakeCursor) -> dict[broker.Position, tuple[Place, datetime]]:
    """Read the same, and LANDED_AT of the newest batch, without a time zone: UTC."""
    cursor.execute(statement("select_offsets"))
    return {
        (topic, partition): (Place(offset, topic_id or "", epoch=-1 if epoch is None else epoch), updated_at)
        for topic, partition, offset, topic_id, epoch, updated_at in cursor.fetchall()
        if offset is not None
    }


def swap_places(
    cursor: SnowflakeCursor,
    topic: str,
    stored: Places,
    places: Mapping[broker.Position, Place],
    landed_at: datetime,
) -> None:
    """Let landing of a topic go on at other places than the stored ones, in all of these partitions or in none.

    Args:
        stored: None where nothing is.

    Raises:
        OvertakenError: others are stored; what was changed has to be rolled back.
    """
    swapped = {}
    for (_, partition), place in places.items():
        expected = stored[topic, partition] or Place(-1)
        swapped[str(partition)] = {
            "expected": expected.offset,
            "expected_topic": expected.topic_id,
            "next_offset": place.offset,
            "topic_id": place.topic_id,
            "leader_epoch": place.epoch,
        }
    values = {"topic": topic, "places": json.dumps(swapped), "landed_at": write_time(landed_at)}
    cursor.execute(statement("swap_offsets", table=OFFSETS[topic]), values)
    if cursor.rowcount != len(swapped):
        raise OvertakenError(f"land {topic}: somebody else has landed it meanwhile; it goes on from what he has stored")


def add_partitions(cursor: SnowflakeCursor, topic: str, partitions: Iterable[int]) -> None:
    """Make the rows that ``swap_places`` changes, where they are missing."""
    values = {"topic": topic, "partitions": json.dumps(dict.fromkeys(map(str, partitions), True))}
    cursor.execute(statement("add_partitions", table=OFFSETS[topic]), values)


def _land_batches(
    cursor: SnowflakeCursor, kafka: broker.Kafka, topic: str, limit: int, store: Store, clock: Callable[[], datetime]
) -> Generator[int, None, None]:
    """Store batch after batch from the stored places to the topic's end; yield the number of rows of each."""
    places = _find_places(cursor, kafka, topic, clock)
    with broker.Reader(kafka, places, headers=topic in WITH_HEADERS) as reader:
        while True:
            batch = reader.read(limit)
            failpoints.reach("land.read")
            if batch.offsets != {position: place and place.offset for position, place in places.items()}:
                yield store(cursor, topic, places, batch, clock().astimezone(UTC))
            if len(batch.messages) < limit:
                return
            places = {**batch.places}


def _find_places(
    cursor: SnowflakeCursor, kafka: broker.Kafka, topic: str, clock: Callable[[], datetime]
) -> dict[broker.Position, Place | None]:
    """Find the stored places; where the log does not have them any more, store the last common ones and tell people."""
    stored, partitions = read_places(cursor), broker.partitions_of(kafka, topic)
    if missing := [partition for partition in partitions if (topic, partition) not in stored]:
        add_partitions(cursor, topic, missing)
    found: dict[broker.Position, Place | None] = {
        (topic, partition): stored.get((topic, partition)) for partition in partitions
    }
    places, breaks = broker.resume(kafka, found)
    if breaks:
        broker.publish(kafka, describe_breaks(breaks, now_ms()))
        resumed = {(it.topic, it.partition): it.resume for it in breaks}
        with transaction(cursor):
            swap_places(cursor, topic, found, resumed, clock().astimezone(UTC))
    return places


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
def transaction(cursor: SnowflakeCursor) -> Iterator[None]:
    """Commit what is done within, or roll all of it back."""
    cursor.execute("begin")
    try:
        yield
        cursor.execute("commit")
    except BaseException:
        with suppress(SnowflakeError):  # a lost connection has rolled back already; the first error is the one to see
            cursor.execute("rollback")
        raise
