"""SQL functions as Snowflake has them: TRY_TO_TIMESTAMP, FLATTEN(outer => true) and the context functions.

fakesnow drops the TRY and the OUTER without a word, and has no CURRENT_WAREHOUSE() and the like.
"""

from __future__ import annotations

import fakesnow.macros
import fakesnow.transforms
from sqlglot import exp

CONTEXT = {
    "current_account": "FAKESNOW",
    "current_warehouse": "LOCAL_WH",
    "current_region": "LOCAL",
    "current_session": "1",
    "last_query_id": "",
}

_to_timestamp = fakesnow.transforms.to_timestamp
_flatten = fakesnow.transforms.flatten
_macros = fakesnow.macros.creation_sql


def to_timestamp(expression: exp.Expr) -> exp.Expr:
    return expression if isinstance(expression, exp.TryCast) else _to_timestamp(expression)


def flatten(expression: exp.Expr) -> exp.Expr:
    """Turn an outer FLATTEN into a left join; refuse the options that would be ignored."""
    if isinstance(expression, exp.Lateral | exp.TableFromRows) and isinstance(expression.this, exp.Explode):
        options = {
            option.name.upper(): option.expression.sql().upper()
            for option in expression.this.expressions
            if isinstance(option, exp.Kwarg)
        }
        if options.keys() & {"RECURSIVE", "PATH", "MODE"}:
            raise NotImplementedError("FLATTEN(recursive/path/mode)")
        if options.get("OUTER") == "TRUE":
            if not isinstance(expression.parent, exp.Join):
                raise NotImplementedError("FLATTEN(outer => true) that is not joined")
            expression.parent.set("side", "LEFT")
            expression.parent.set("kind", None)
            expression.parent.set("on", exp.true())
    return _flatten(expression)


def macros(catalog: str) -> str:
    context = (f"CREATE OR REPLACE MACRO {catalog}.{name}() AS '{value}';" for name, value in CONTEXT.items())
    return _macros(catalog) + "".join(context)


def install() -> None:
    fakesnow.transforms.to_timestamp = to_timestamp
    fakesnow.transforms.flatten = flatten
    fakesnow.macros.creation_sql = macros
