"""Retention: deletes old rows that the marts hold by now, and files that a killed landing has left on the stage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from snowflake.connector import SnowflakeConnection

from include.surveillance.warehouse.rows import write_time
from include.surveillance.warehouse.statements import as_warehouse_error, statement

PROFILES = "RAW_PROFILES"
CLASSES = {
    "raw_days": ("RAW_BARS", "RAW_METRICS", "RAW_NEWS"),
    "raw_watermark_days": ("RAW_WATERMARKS",),
    "raw_reject_days": ("RAW_REJECTED",),
    "raw_profile_days": (PROFILES,),
}
"""The setting that says for how many days rows are kept, and their tables. All others are the only copy of what they
hold, or what alerts are explained by, and are kept for ever."""
# The names that landing gives its files; other files on the stage belong to somebody else.
STAGED = re.compile(r"[0-9a-f]{32}\.parquet")


def delete_old_rows(connection: SnowflakeConnection, before: Mapping[str, datetime]) -> dict[str, int]:
    """Delete rows that were landed before a time, one statement per table; return how many of each.

    The marts keep what was built from these rows. A profile that an alert cites stays.

    Args:
        before: setting of ``CLASSES`` -> the time.

    Raises:
        WarehouseError: the warehouse refused.
    """
    deleted = {}
    with as_warehouse_error("delete old rows"), connection.cursor() as cursor:
        for setting, tables in CLASSES.items():
            values = {"before": write_time(before[setting].astimezone(UTC))}
            for table in tables:
                if table == PROFILES:
                    cursor.execute(statement("delete_old_profiles"), values)
                else:
                    cursor.execute(statement("delete_old_rows", table=table), values)
                deleted[table] = cursor.rowcount or 0
    return deleted


def remove_staged_files(connection: SnowflakeConnection, before: datetime) -> int:
    """Remove files that were put on the landing stage before a time; return how many.

    A file is removed when it is loaded, so an old one was left by a landing that was killed and repeated since.

    Raises:
        WarehouseError: the warehouse refused.
    """
    with as_warehouse_error("remove staged files"), connection.cursor() as cursor:
        cursor.execute(statement("list_landing_stage"))
        old = [
            name
            for path, _, _, modified in cursor.fetchall()
            if STAGED.fullmatch(name := path.rpartition("/")[2]) and parsedate_to_datetime(modified) < before
        ]
        for name in old:
            cursor.execute(statement("remove_staged_file", name=name))
        return len(old)
