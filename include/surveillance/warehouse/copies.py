"""Copies schema RAW of the embedded warehouse into files and back. A real account has Time Travel and clones for that.

Landing's offsets are read before the rows, and rows that were landed since are left out: they are landed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Struct
from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor

from include.surveillance.broker import Position
from include.surveillance.errors import ConfigurationError
from include.surveillance.places import Place
from include.surveillance.warehouse.landing import (
    add_partitions,
    last_landing,
    read_landings,
    stage_rows,
    swap_places,
)
from include.surveillance.warehouse.rows import INCOMING, KINDS, TABLES, write_time
from include.surveillance.warehouse.schema import migrate_raw
from include.surveillance.warehouse.statements import as_warehouse_error, statement

EMBEDDED = "embedded"
ROWS = 50_000
NEVER = datetime.min  # noqa: DTZ901 - as the warehouse gives times, which are UTC


class RawCopy(Struct, frozen=True):
    """What a copy of schema RAW knows of itself.

    Attributes:
        rows: table -> how many rows it has in the copy.
        places: topic, partition and where landing goes on there, in the log that was copied.
        landed_at: when the last of them was stored.
    """

    rows: dict[str, int]
    places: list[tuple[str, int, Place]]
    landed_at: datetime | None


def is_embedded(connection: SnowflakeConnection) -> bool:
    """Whether the warehouse is the embedded one, of which nobody else keeps a copy."""
    return str(connection.account).lower() == EMBEDDED


def copy_raw(connection: SnowflakeConnection, folder: Path) -> RawCopy:
    """Write each table of schema RAW into a Parquet file, while landing goes on.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    folder.mkdir()
    landed_at = last_landing(connection)
    with as_warehouse_error("copy schema RAW"), connection.cursor() as cursor:
        landings = read_landings(cursor)
        places = [(*position, place) for position, (place, _) in landings.items()]
        until = dict.fromkeys(KINDS, NEVER)
        for (topic, _), (_, at) in landings.items():
            until[topic] = max(at, until.get(topic, at))
        rows = {table: _copy_table(cursor, table, until, folder / f"{table}.parquet") for table in TABLES}
    return RawCopy(rows, places, landed_at)


def check_empty(connection: SnowflakeConnection) -> None:
    """Do nothing when schema RAW has no row; make its tables where they are missing.

    Raises:
        ConfigurationError: a table has rows.
        WarehouseError: the warehouse refused or was lost.
    """
    migrate_raw(connection)
    with as_warehouse_error("look whether schema RAW is empty"), connection.cursor() as cursor:
        counts = {}
        for table in TABLES:
            cursor.execute(statement("count_rows", table=table))
            ((counts[table],),) = cursor.fetchall()
    if used := [f"{table} ({count:,})" for table, count in counts.items() if count]:
        raise ConfigurationError(
            f"schema RAW has rows already: {', '.join(used)}; restore into an empty warehouse, or leave it as it is"
        )


def restore_raw(connection: SnowflakeConnection, folder: Path, copy: RawCopy) -> None:
    """Store the rows and landing's places as they were, in tables that are empty.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    with as_warehouse_error("restore schema RAW"), connection.cursor() as cursor:
        for table in copy.rows:
            for batch in pq.ParquetFile(folder / f"{table}.parquet").iter_batches(ROWS):
                stage_rows(cursor, pa.Table.from_batches([batch]))
                cursor.execute(statement("insert_rows", table=table), {"table": table})
        for topic, partition, place in copy.places:
            add_partitions(cursor, topic, [partition])
            position = topic, partition
            swap_places(cursor, topic, {position: None}, {position: place}, copy.landed_at or datetime.now(UTC))


def move_places(connection: SnowflakeConnection, move: Mapping[Position, Callable[[Place], Place]]) -> int:
    """Let landing go on at other places, e.g. those of a restored log; return how many have changed.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    moved = 0
    with as_warehouse_error("move the offsets of landing"), connection.cursor() as cursor:
        for position, (stored, landed_at) in read_landings(cursor).items():
            place = move[position](stored) if position in move else stored
            if place != stored:
                swap_places(cursor, position[0], {position: stored}, {position: place}, landed_at)
                moved += 1
    return moved


def _copy_table(cursor: SnowflakeCursor, table: str, until: Mapping[str, datetime], file: Path) -> int:
    """Write the rows that were landed up to the time of their topic, and those of no topic that is landed now."""
    cursor.execute(statement("select_rows", table=table))
    count = 0
    with pq.ParquetWriter(file, INCOMING, compression="zstd") as writer:
        while fetched := cursor.fetchmany(ROWS):
            rows = [dict(zip(INCOMING.names[1:], row, strict=True)) for row in fetched]
            kept = [row for row in rows if row["landed_at"] <= until.get(row["kafka_topic"], row["landed_at"])]
            writer.write_table(pa.Table.from_pylist([_as_incoming(table, row) for row in kept], INCOMING))
            count += len(kept)
    return count


def _as_incoming(table: str, values: dict[str, Any]) -> dict[str, Any]:
    times = {name: write_time(at) for name in ("kafka_timestamp", "landed_at") if (at := values[name]) is not None}
    return {"target": table, **values, **times}
