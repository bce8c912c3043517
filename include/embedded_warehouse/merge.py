"""MERGE runs as DuckDB's own MERGE: one atomic statement that refuses duplicate source rows, as Snowflake does.

fakesnow takes it apart into several statements, which fails inside a transaction and on many expressions.
"""

from __future__ import annotations

import collections
from typing import Any

import sqlglot
from sqlglot import exp

ACTIONS = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}


def prepare(statement: exp.Merge) -> None:
    """Drop the qualifier left of ``SET t.x = ..``, which DuckDB does not accept."""
    for when in statement.args["whens"].expressions:
        then = when.args.get("then")
        if not isinstance(then, exp.Update):
            continue
        for assignment in then.expressions:
            if isinstance(assignment, exp.EQ) and isinstance(assignment.this, exp.Column):
                assignment.this.set("table", None)


def run(cursor: Any, statement: exp.Merge, params: Any) -> exp.Expr:
    """Execute ``statement``; return a SELECT of Snowflake's row counts, one column per action that it names."""
    connection = cursor._conn
    if not connection._autocommit and not connection._in_transaction:
        cursor._duck_conn.begin()
        connection._in_transaction = True
    sql = statement.sql(dialect="duckdb") + " RETURNING merge_action"
    rows = cursor._duck_conn.execute(sql, params or []).fetchall()
    done = collections.Counter(ACTIONS[action] for (action,) in rows)
    named = {_action(when) for when in statement.args["whens"].expressions}
    columns = [f'{done[action]} AS "number of rows {action}"' for action in ACTIONS.values() if action in named]
    counts = sqlglot.parse_one(f"SELECT {', '.join(columns)}", read="duckdb")
    counts.set("merge_counts", True)
    return counts


def _action(when: exp.When) -> str:
    then = when.args.get("then")
    if isinstance(then, exp.Insert):
        return "inserted"
    return "updated" if isinstance(then, exp.Update) else "deleted"
