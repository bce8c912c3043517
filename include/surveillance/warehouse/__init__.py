"""Snowflake: the raw tables, the exactly-once landing of topics in them, and what is deleted from them again.

``connection`` is everywhere an open DB-API connection of snowflake-connector-python with a current database.
"""
