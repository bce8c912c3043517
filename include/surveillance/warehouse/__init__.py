"""Snowflake: the raw tables, landing topics in them exactly once, and what leaves them again.

``connection`` is everywhere an open DB-API connection of snowflake-connector-python with a current database.
"""

from include.surveillance.warehouse.landing import Landed, behind, create_tables, land, last_landing
from include.surveillance.warehouse.retention import delete_old_rows, remove_staged_files
from include.surveillance.warehouse.rows import REJECTED_TABLE, TABLES

__all__ = [
    "REJECTED_TABLE",
    "TABLES",
    "Landed",
    "behind",
    "create_tables",
    "delete_old_rows",
    "land",
    "last_landing",
    "remove_staged_files",
]
