"""Snowflake: the raw tables, landing topics in them exactly once, and what leaves them again.

``connection`` is everywhere an open DB-API connection of snowflake-connector-python with a current database.
"""

from .landing import Landed, behind, create_tables, land
from .retention import delete_old_rows, remove_staged_files
from .rows import REJECTED_TABLE, TABLES

__all__ = [
    "REJECTED_TABLE",
    "TABLES",
    "Landed",
    "behind",
    "create_tables",
    "delete_old_rows",
    "land",
    "remove_staged_files",
]
