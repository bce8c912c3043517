"""Snowflake: the raw tables, the exactly-once landing of topics in them, and what is deleted from them again.

``connection`` is everywhere an open DB-API connection of snowflake-connector-python with a current database.
"""

from include.surveillance.warehouse.landing import Landed, create_tables, land, last_landing, list_topics_behind
from include.surveillance.warehouse.retention import delete_old_rows, remove_staged_files
from include.surveillance.warehouse.rows import REJECTED_TABLE, TABLES

__all__ = [
    "REJECTED_TABLE",
    "TABLES",
    "Landed",
    "create_tables",
    "delete_old_rows",
    "land",
    "last_landing",
    "list_topics_behind",
    "remove_staged_files",
]
