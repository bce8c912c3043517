"""A real Snowflake account for tests: what SNOWFLAKE_TEST_* say of it, or what is missing (``python -m tests.account``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import snowflake.connector
from snowflake.connector import SnowflakeConnection

from include.surveillance.warehouse.login import read_login

PREFIX = "SNOWFLAKE_TEST_"
NEEDED = ("ACCOUNT", "USER", "WAREHOUSE", "ROLE", "DATABASE")
WAYS_IN = ("PRIVATE_KEY_PATH", "PASSWORD")


def is_given() -> bool:
    return bool(os.environ.get(f"{PREFIX}ACCOUNT"))


def read_environment() -> dict[str, str]:
    """Return the account's variables by the names that a shell, dbt and the platform read."""
    return {
        name.replace(PREFIX, "SNOWFLAKE_", 1): value
        for name, value in os.environ.items()
        if name.startswith(PREFIX) and value
    }


def find_missing() -> list[str]:
    """Return the variables without which nobody can log in, each with what it is for."""
    missing = [f"{PREFIX}{name}" for name in NEEDED if not os.environ.get(f"{PREFIX}{name}")]
    if not any(os.environ.get(f"{PREFIX}{way}") for way in WAYS_IN):
        missing.append(f"{PREFIX}PRIVATE_KEY_PATH (its passphrase is {PREFIX}PASSWORD), or {PREFIX}PASSWORD alone")
    return missing


def connect(**settings: object) -> SnowflakeConnection:
    return snowflake.connector.connect(**{**read_login(read_environment()), "login_timeout": 20, **settings})


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
