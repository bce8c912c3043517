"""What RAW no longer needs: rows that the marts have long taken in, files that a killed landing has left behind."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from snowflake.connector import SnowflakeConnection

from include.surveillance.warehouse.rows import TABLES
from include.surveillance.warehouse.statements import as_warehouse_error, statement

# Few rows, and the record of what the platform has said and of the instruments it spoke of.
FOR_EVER = {"RAW_ALERTS", "RAW_INSTRUMENTS"}
# As landing names its files; whatever else lies on the stage belongs to somebody else.
STAGED = re.compile(r"[0-9a-f]{32}\.parquet")


def delete_old_rows(connection: SnowflakeConnection, before: datetime) -> dict[str, int]:
    """Delete rows landed before this moment, one statement per table; returns how many of each.

    The marts keep what they were built from them. A bar that is fetched again lands as a new row.

    Raises:
        WarehouseError: the warehouse refused.
    """
    moment = {"before": f"{before.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"}
    with as_warehouse_error("delete old rows"), connection.cursor() as cursor:
        return {
            table: cursor.execute(statement("delete_old_rows", table=table), moment).rowcount
            for table in TABLES.values()
            if table not in FOR_EVER
        }


def remove_staged_files(connection: SnowflakeConnection, before: datetime) -> int:
    """Remove files put on the landing stage before this moment; returns how many.

    Loading a file removes it, so an old one is of a landing that was killed in between and was done again since.

    Raises:
        WarehouseError: the warehouse refused.
    """
    with as_warehouse_error("remove staged files"), connection.cursor() as cursor:
        listed = cursor.execute(statement("list_landing_stage")).fetchall()
        old = [
            name
            for path, _, _, modified in listed
            if STAGED.fullmatch(name := path.rpartition("/")[2]) and parsedate_to_datetime(modified) < before
        ]
        for name in old:
            cursor.execute(statement("remove_staged_file", name=name))
        return len(old)
