"""Transactions of a session: they behave as Snowflake's, as far as DuckDB allows. Their phases:

- none: autocommit; a write-write conflict is tried again, because Snowflake's second writer waits for the lock.
- open: BEGIN again is ignored; DDL commits first; an error that DuckDB cannot survive makes it aborted.
- aborted: rolled back already; DML and COMMIT raise, so a COMMIT never claims rows that are lost;
  ROLLBACK, BEGIN, DDL and queries leave that phase.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable
from typing import Any

import duckdb
from fakesnow.fakes import FakeSnowflakeConnection as Connection
from sqlglot import exp

from include.embedded_warehouse.locks import Locks, name_of
from include.embedded_warehouse.session_state import Phase, SessionState, state_of
from include.embedded_warehouse.sql_errors import sql_error
from include.embedded_warehouse.temporary_tables import key_of

LOCKS = Locks()
NUMBERS = itertools.count(time.time_ns() // 1_000_000)
ABORTED = 90232
DML = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy)
DDL = (exp.Create, exp.Alter, exp.Drop, exp.TruncateTable, exp.Comment)
NEUTRAL = (exp.Describe, exp.Show, exp.Use, exp.Set, exp.Command)
LOCKING = (exp.Update, exp.Delete, exp.Merge)


def is_open(connection: Connection) -> bool:
    return state_of(connection).transaction == "open" or connection._in_transaction


def end(connection: Connection, phase: Phase) -> None:
    """Roll back whatever is open and give up its locks."""
    with contextlib.suppress(duckdb.Error):  # nothing open is what we want
        connection._duck_conn.rollback()
    state = state_of(connection)
    state.transaction, state.begun, connection._in_transaction = phase, False, False
    LOCKS.release(connection)


def list_locks() -> list[tuple[str, int, float]]:
    """List what open transactions have locked: the table's full name, their number and when they began."""
    held = [(name_of(key), state_of(connection)) for key, connection in LOCKS.list_held()]
    return [(name, state.number, state.begun_at) for name, state in held if state.transaction == "open"]


def abort(number: int, seconds: float) -> bool:
    """Roll back the transaction of this number, whosever it is; False when there is none, or it stays busy so long."""
    for _, connection in LOCKS.list_held():
        state = state_of(connection)
        if state.number == number and state.lock.acquire(timeout=seconds):
            try:
                if found := state.number == number and is_open(connection):
                    end(connection, "aborted")
                return found
            finally:
                state.lock.release()
    return False


def before(cursor: Any, statement: exp.Expr) -> bool:
    """Keep the session's transaction state in step with ``statement``; True when nothing is left to execute."""
    connection = cursor._conn
    state = state_of(connection)
    if isinstance(statement, exp.Transaction):
        if state.transaction != "open":
            state.transaction, state.begun = "open", False
            state.number, state.begun_at = next(NUMBERS), time.time()
        return True
    if isinstance(statement, exp.Commit | exp.Rollback):
        return _finish(statement, state)
    metadata = statement.args.get("create_stage_name") or statement.args.get("create_file_format_name")
    if isinstance(statement, DDL) or metadata:
        if state.transaction == "open" and state.begun:
            cursor._duck_conn.commit()
        state.transaction, state.begun = "none", False
        LOCKS.release(connection)
        return False
    if state.transaction == "aborted" and isinstance(statement, DML):
        raise _aborted()
    if not isinstance(statement, NEUTRAL):
        _enter(cursor, connection, state, statement)
    return False


def run(connection: Connection, execute: Callable[[], Any]) -> Any:
    """Call ``execute``; settle the transaction when it fails, and try conflicts of single statements again."""
    state = state_of(connection)
    deadline, pause = time.monotonic() + state.lock_timeout, 0.05
    while True:
        try:
            return execute()
        except Exception as error:
            if state.ending:
                end(connection, "none")
                raise
            if is_open(connection):
                _abort_when_dead(connection)
                raise
            if not _is_conflict(error) or time.monotonic() > deadline:
                raise
            time.sleep(pause)
            pause = min(1.0, pause * 2)
        finally:
            state.ending = False
            if not is_open(connection):
                LOCKS.release(connection)


def _finish(statement: exp.Expr, state: SessionState) -> bool:
    was, begun = state.transaction, state.begun
    state.transaction, state.begun = "none", False
    if was == "aborted":
        if isinstance(statement, exp.Commit):
            raise _aborted()
        return True
    state.ending = True
    return was == "open" and not begun


def _enter(cursor: Any, connection: Connection, state: SessionState, statement: exp.Expr) -> None:
    key = None
    if isinstance(statement, LOCKING):
        table = statement.this if isinstance(statement.this, exp.Table) else statement.find(exp.Table)
        key = key_of(connection, table) if table else None
        if key:
            LOCKS.acquire(connection, key, state.lock_timeout)
    if state.transaction == "open" and not state.begun:
        cursor._duck_conn.begin()
        state.begun, state.seen = True, LOCKS.sequence
    elif state.transaction == "open" and key:
        try:
            LOCKS.check_unchanged(key, state.seen)
        except Exception:
            end(connection, "aborted")
            raise


def _abort_when_dead(connection: Connection) -> None:
    """End a transaction in which DuckDB refuses every statement: dbt sends no ROLLBACK."""
    try:
        connection._duck_conn.execute("select 1")
    except duckdb.TransactionException:
        end(connection, "aborted")


def _is_conflict(error: Exception) -> bool:
    conflicts = re.search(r"conflict|altered", str(error), re.IGNORECASE)
    return isinstance(error, duckdb.TransactionException) and conflicts is not None


def _aborted() -> Exception:
    message = "the current transaction was rolled back after an earlier error or timeout"
    return sql_error(message, ABORTED, "22000")
