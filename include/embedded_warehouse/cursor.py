"""fakesnow's cursor, wrapped: it rewrites statements, resolves temporary tables and keeps the transaction."""

from __future__ import annotations

import time
from typing import Any

from fakesnow.cursor import FakeSnowflakeCursor as Cursor
from fakesnow.transforms import SUCCESS_NOP
from sqlglot import exp

from include.embedded_warehouse import asof, merge, statements, temporary_tables, transactions
from include.embedded_warehouse.session_state import state_of
from include.embedded_warehouse.sql_errors import as_sql_errors

_explode = Cursor._transform_explode
_execute_one = Cursor._execute
_execute = Cursor.execute


def explode(self: Cursor, statement: exp.Expr) -> list[exp.Expr]:
    """Turn one statement of the client into the statements that DuckDB runs for it."""
    statement = temporary_tables.resolve(self._conn, statement)
    asof.rewrite(statement)
    if isinstance(statement, exp.Merge):
        merge.prepare(statement)
        return [statement]
    return _drop_columns(statement) or _explode(self, statement)


def execute_one(self: Cursor, statement: exp.Expr, params: Any = None) -> None:
    if transactions.before(self, statement):
        _execute_one(self, SUCCESS_NOP.copy())
    elif isinstance(statement, exp.Merge):
        _execute_one(self, merge.run(self, statement, params))
    else:
        _execute_one(self, statement, params)


def execute(self: Cursor, command: str, params: Any = None, *args: Any, **kwargs: Any) -> Cursor:
    connection = self._conn
    state = state_of(connection)
    with state.lock:
        state.last_used = time.monotonic()
        if "binding_params" in kwargs:
            command, kwargs["binding_params"] = statements.bind_copy_target(command, kwargs["binding_params"])
        try:
            command = statements.rewrite(self, connection, command)
            return transactions.run(connection, lambda: _execute(self, command, params, *args, **kwargs))
        finally:
            state.last_used = time.monotonic()


def _drop_columns(statement: exp.Expr) -> list[exp.Expr]:
    """Split ``ALTER TABLE .. DROP COLUMN a, b`` into one statement per column; return [] for anything else."""
    actions = (statement.args.get("actions") or []) if isinstance(statement, exp.Alter) else []
    if len(actions) != 1 or not isinstance(actions[0], exp.Drop):
        return []
    columns = actions[0].args.get("tables") or []
    if len(columns) < 2:
        return []
    singles: list[exp.Expr] = []
    for column in columns:
        single = statement.copy()
        single.args["actions"][0].set("tables", [column.copy()])
        singles.append(single)
    return singles


def install() -> None:
    wrappers = {
        "_transform_explode": explode,
        "_execute": execute_one,
        "execute": as_sql_errors(execute),
        "_describe_last_sql": as_sql_errors(Cursor._describe_last_sql),
    }
    for name, wrapper in wrappers.items():
        setattr(Cursor, name, wrapper)
