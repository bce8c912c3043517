"""Snowflake: the raw tables, and landing topics in them exactly once.

``connection`` is everywhere an open DB-API connection of snowflake-connector-python with a current database.
"""

from .landing import Landed, create_tables, land
from .rows import REJECTED_TABLE, TABLES

__all__ = ["REJECTED_TABLE", "TABLES", "Landed", "create_tables", "land"]
