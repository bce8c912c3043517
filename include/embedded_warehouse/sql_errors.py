"""Snowflake errors: whatever fails here becomes one, because the connector would retry an HTTP 500 for ever."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import duckdb
import snowflake.connector.errors as snowflake_errors

log = logging.getLogger("warehouse")

INTERNAL = 603
UNIQUE_VIOLATION = 1
NOT_NULL_VIOLATION = 100072
LOCKED = 625


def sql_error(message: str | None, errno: int, sqlstate: str | None) -> snowflake_errors.ProgrammingError:
    return snowflake_errors.ProgrammingError(msg=message, errno=errno, sqlstate=sqlstate)


def translate(error: BaseException) -> snowflake_errors.ProgrammingError:
    """Return the Snowflake error that comes nearest to ``error``."""
    message = f"{type(error).__name__}: {error}".split("\n\n")[0]
    if isinstance(error, duckdb.ConstraintException):
        return sql_error(message, NOT_NULL_VIOLATION if "NOT NULL" in message else UNIQUE_VIOLATION, "22000")
    if isinstance(error, duckdb.TransactionException):
        return sql_error(message, LOCKED, "57014")
    return sql_error(message, INTERNAL, "XX000")


def as_sql_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``function`` so that it raises only errors which fakesnow sends to the client as such."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (snowflake_errors.ProgrammingError, snowflake_errors.OperationalError):
            raise
        except snowflake_errors.Error as error:
            raise sql_error(error.msg, error.errno, error.sqlstate) from error
        except Exception as error:
            log.warning("statement failed: %s: %s", type(error).__name__, error)
            raise translate(error) from error

    return wrapped
