"""ASOF JOIN as DuckDB has it: the match condition stands in ON, and rows without a match are kept by LEFT.

fakesnow hands MATCH_CONDITION to DuckDB, which does not know it.
"""

from __future__ import annotations

from sqlglot import exp


def rewrite(statement: exp.Expr) -> None:
    """Rewrite every ASOF JOIN of ``statement`` in place.

    Raises:
        NotImplementedError: USING behind more than one join: whose column it means is not looked up here.
    """
    for join in list(statement.find_all(exp.Join)):
        condition = join.args.get("match_condition")
        if condition is None:
            continue
        join.set("match_condition", None)
        join.set("side", "LEFT")
        equal = [join.args["on"]] if join.args.get("on") else _equal_columns(join)
        join.set("using", None)
        join.set("on", exp.and_(*equal, condition))


def _equal_columns(join: exp.Join) -> list[exp.Expr]:
    columns, query = join.args.get("using") or [], join.parent
    if not columns:
        return []
    if not isinstance(query, exp.Select) or len(query.args["joins"]) > 1:
        raise NotImplementedError("ASOF JOIN with USING beside another join; name the columns in ON")
    left, right = _name(query.args["from_"].this), _name(join.this)
    return [exp.column(column.copy(), left.copy()).eq(exp.column(column.copy(), right.copy())) for column in columns]


def _name(source: exp.Expr) -> exp.Identifier:
    """Return what qualifies the columns of a table, as it is written: quoted or not."""
    alias = source.args.get("alias")
    name: exp.Identifier = alias.this if alias else source.this
    return name
