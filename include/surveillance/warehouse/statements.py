"""The statements in ``sql``, and what the warehouse says to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snowflake.connector.errors import Error as SnowflakeError

from include.surveillance.errors import WarehouseError

SQL = Path(__file__).with_name("sql")


def statement(name: str, /, **identifiers: object) -> str:
    """The statement in ``<name>.sql``. Identifiers come from TABLES and our own file names, never from data."""
    text = (SQL / f"{name}.sql").read_text()
    return text.format_map(identifiers) if identifiers else text


@contextmanager
def as_warehouse_error(doing: str) -> Iterator[None]:
    """The connector's errors as one sentence each."""
    try:
        yield
    except SnowflakeError as error:
        raise WarehouseError(
            f"{doing}: the warehouse answered {error.errno}: {error.msg}; "
            "a step is done wholly or not at all, so correct the cause and run it again"
        ) from error
