"""The warehouse's statements, and how its errors read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from snowflake.connector.errors import Error as SnowflakeError

from include.surveillance.errors import WarehouseError
from include.surveillance.statements import read_statement

SQL = Path(__file__).with_name("sql")
statement = partial(read_statement, SQL)


@contextmanager
def as_warehouse_error(doing: str) -> Iterator[None]:
    """Turn an error of the connector into a WarehouseError of one sentence."""
    try:
        yield
    except SnowflakeError as error:
        raise WarehouseError(
            f"{doing}: the warehouse answered {error.errno}: {error.msg}; "
            "a step is done wholly or not at all, so correct the cause and run it again"
        ) from error
