"""Reads connections as Airflow writes them into a variable, for programs that have no Airflow."""

from __future__ import annotations

import json
from typing import Any


def read_postgres(text: str) -> dict[str, Any]:
    """Read a connection of PostgreSQL, JSON; return the arguments of ``psycopg2.connect``."""
    given = json.loads(text)
    return {
        "host": given["host"],
        "port": given.get("port") or 5432,
        "user": given.get("login"),
        "password": given.get("password"),
        "dbname": given.get("schema"),
    }


def read_kafka(text: str) -> dict[str, Any]:
    """Read a connection of Kafka, JSON, whose extra may be JSON within it; return the client's configuration."""
    extra = json.loads(text).get("extra") or {}
    return json.loads(extra) if isinstance(extra, str) else extra
