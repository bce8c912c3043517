"""Reads the landed records back: what a table of schema RAW holds, in the order of the log."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TypeVar

from snowflake.connector import SnowflakeConnection

from include.surveillance import wire
from include.surveillance.records import Record
from include.surveillance.warehouse.rows import LANDED
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
