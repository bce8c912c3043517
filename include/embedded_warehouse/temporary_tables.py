"""Temporary tables and views with a qualified name, private to their session.

DuckDB has temporary objects only in a catalog of its own, so they are ordinary objects under a private name here:
dropped with the session, and swept at the start of the server.
"""

from __future__ import annotations

import uuid

from fakesnow.fakes import FakeSnowflakeConnection as Connection
from sqlglot import exp

from include.embedded_warehouse.session_state import Key, state_of

MARK = "__TEMPORARY_"


def key_of(connection: Connection, table: exp.Table) -> Key | None:
    """Return a table's key, completed by the session's database and schema; None for a table function."""
    if not isinstance(table.this, exp.Identifier):
        return None

    def stored(identifier: exp.Identifier) -> str:
        return identifier.this if identifier.args.get("quoted") else identifier.this.upper()

    catalog, schema = table.args.get("catalog"), table.args.get("db")
    return (
        stored(catalog) if catalog else connection.database,
        stored(schema) if schema else connection.schema,
        stored(table.this),
    )


def resolve(connection: Connection, statement: exp.Expr) -> exp.Expr:
    """Return ``statement`` with the session's temporary objects under their private names."""
    kind = str(statement.args.get("kind")).upper()
    if isinstance(statement, exp.Create) and kind in ("TABLE", "VIEW"):
        _register(connection, statement, kind)
    if isinstance(statement, exp.Drop) and kind in ("TABLE", "VIEW") and isinstance(statement.this, exp.Table):
        return _drop(connection, statement, kind)
    if state_of(connection).temporary:
        _rename(connection, statement)
    return statement


def drop_all(connection: Connection) -> None:
    """Drop what the session leaves behind."""
    for (catalog, schema, _), (name, kind) in state_of(connection).temporary.items():
        connection._duck_conn.execute(f'DROP {kind} IF EXISTS "{catalog}"."{schema}"."{name}"')


def drop_leftovers(connection: Connection) -> None:
    """Drop what a killed server left behind in the databases attached so far."""
    left = connection._duck_conn.execute(
        "select database_name, schema_name, table_name, 'TABLE' from duckdb_tables() where contains(table_name, $1) "
        "union all "
        "select database_name, schema_name, view_name, 'VIEW' from duckdb_views() where contains(view_name, $1)",
        [MARK],
    ).fetchall()
    for catalog, schema, name, kind in left:
        connection._duck_conn.execute(f'DROP {kind} "{catalog}"."{schema}"."{name}"')


def _drop(connection: Connection, statement: exp.Drop, kind: str) -> exp.Expr:
    temporary = state_of(connection).temporary
    key = key_of(connection, statement.this)
    if key is None or key not in temporary:
        return statement
    if temporary[key][1] == kind:
        _rename(connection, statement)
        del temporary[key]
    return statement


def _register(connection: Connection, statement: exp.Create, kind: str) -> None:
    temporary = state_of(connection).temporary
    target = statement.this.this if isinstance(statement.this, exp.Schema) else statement.this
    key = key_of(connection, target)
    properties = statement.args.get("properties")
    if properties and (mark := properties.find(exp.TemporaryProperty)):
        if key is None:
            raise NotImplementedError("a temporary table without a plain name")
        mark.pop()
        if not properties.expressions:
            statement.set("properties", None)
        temporary.setdefault(key, (f"{key[2]}{MARK}{uuid.uuid4().hex[:8].upper()}", kind))
    elif key in temporary:
        raise NotImplementedError(f"a permanent {kind} beside a temporary one of the same name")


def _rename(connection: Connection, statement: exp.Expr) -> None:
    temporary = state_of(connection).temporary
    expressions = {cte.alias_or_name.upper() for cte in statement.find_all(exp.CTE)}
    for table in list(statement.find_all(exp.Table)):
        key = key_of(connection, table)
        if key is None or key not in temporary or (key[2] in expressions and not table.args.get("db")):
            continue
        source = isinstance(table.parent, exp.From | exp.Join) or table.arg_key == "using"
        if source and not table.alias:  # columns may be qualified by the public name
            table.set("alias", exp.TableAlias(this=exp.to_identifier(key[2], quoted=True)))
        table.set("this", exp.to_identifier(temporary[key][0], quoted=True))
