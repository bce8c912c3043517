"""A real Snowflake account for tests, as SNOWFLAKE_TEST_* say; ``python -m tests.account`` says what is missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import snowflake.connector
from snowflake.connector import SnowflakeConnection

from include.surveillance.warehouse.login import read_login

PREFIX = "SNOWFLAKE_TEST_"
NEEDED = (
    ACCOUNT := "SNOWFLAKE_TEST_ACCOUNT",
    "SNOWFLAKE_TEST_USER",
    "SNOWFLAKE_TEST_WAREHOUSE",
    "SNOWFLAKE_TEST_ROLE",
    "SNOWFLAKE_TEST_DATABASE",
)
KEY, PASSWORD = "SNOWFLAKE_TEST_PRIVATE_KEY_PATH", "SNOWFLAKE_TEST_PASSWORD"


def is_given() -> bool:
    return bool(os.environ.get(ACCOUNT))


def read_environment() -> dict[str, str]:
    """Return the account's variables by the names that a shell, dbt and the platform read."""
    return {
        name.replace(PREFIX, "SNOWFLAKE_", 1): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX) and value
    }


def find_missing() -> list[str]:
    """Return the variables without which nobody can log in; of the last, what it may be."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if not (os.environ.get(KEY) or os.environ.get(PASSWORD)):
        missing.append(f"{KEY} (its passphrase is {PASSWORD}), or {PASSWORD} alone")
    return missing


def connect(**settings: object) -> SnowflakeConnection:
    standard = {"schema": "RAW", "login_timeout": 20}
    return snowflake.connector.connect(**{**read_login(read_environment()), **standard, **settings})


@contextmanager
def own_database(name: str) -> Iterator[SnowflakeConnection]:
    """Yield a connection whose database is made for the tests, and dropped after them."""
    with closing(connect()) as connection:
        connection.cursor().execute(f"create database {name}")
        try:
            connection.cursor().execute(f"use database {name}")
            yield connection
        finally:
            connection.cursor().execute(f"drop database {name}")


if __name__ == "__main__":
    if absent := find_missing():
        sys.exit("No account to check. Set, in the shell:\n  " + "\n  ".join(absent))
