"""Copies schema RAW of the embedded warehouse into files and back. A real account has Time Travel and clones for that.

Landing's offsets are read before the rows: a row that is in the copy beyond them is landed again, as the same row.
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
from include.surveillance.warehouse.landing import last_landing, mend_place, merge_places, read_places, stage_rows
from include.surveillance.warehouse.rows import INCOMING, TABLES, write_time
from include.surveillance.warehouse.schema import migrate_raw
from include.surveillance.warehouse.statements import as_warehouse_error, statement

EMBEDDED = "embedded"
ROWS = 50_000


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
        places = [(*position, place) for position, place in read_places(cursor).items()]
        rows = {table: _copy_table(cursor, table, folder / f"{table}.parquet") for table in TABLES.values()}
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
        for table in TABLES.values():
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
                cursor.execute(statement("merge_rows", table=table), {"table": table})
        for topic, partition, place in copy.places:
            merge_places(cursor, topic, {partition: place}, copy.landed_at or datetime.now(UTC))


def move_places(connection: SnowflakeConnection, move: Mapping[Position, Callable[[Place], Place]]) -> int:
    """Let landing go on at other places, e.g. those of a restored log; return how many have changed.

    Raises:
        WarehouseError: the warehouse refused or was lost.
    """
    moved = 0
    with as_warehouse_error("move the offsets of landing"), connection.cursor() as cursor:
        for position, stored in read_places(cursor).items():
            place = move[position](stored) if position in move else stored
            if place != stored:
                mend_place(cursor, position, stored, place)
                moved += 1
    return moved


def _copy_table(cursor: SnowflakeCursor, table: str, file: Path) -> int:
    cursor.execute(statement("select_rows", table=table))
    count = 0
    with pq.ParquetWriter(file, INCOMING, compression="zstd") as writer:
        while rows := cursor.fetchmany(ROWS):
            writer.write_table(pa.Table.from_pylist([_as_incoming(table, row) for row in rows], INCOMING))
            count += len(rows)
    return count


def _as_incoming(table: str, row: Any) -> dict[str, Any]:
    values = dict(zip(INCOMING.names[1:], row, strict=True))
    times = {name: write_time(at) for name in ("kafka_timestamp", "landed_at") if (at := values[name]) is not None}
    return {"target": table, **values, **times}
