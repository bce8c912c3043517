"""Statements that fakesnow cannot parse, rewritten: administration, query tags, grants, column comments, REMOVE.

What has no meaning on one machine (roles, warehouses, retention) is accepted and does nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import fakesnow.transforms
import sqlglot
from fakesnow.fakes import FakeSnowflakeConnection as Connection
from fakesnow.transforms import stage
from sqlglot import exp

from include.embedded_warehouse import grants, transactions
from include.embedded_warehouse.session_state import state_of

COMMENTS = r"\s*(?:(?:/\*.*?\*/|--[^\n]*\n)\s*)*"
STRING = r"(\$\$.*?\$\$|'(?:[^']|'')*')"
QUOTE = "'"
DONE = "select 'Statement executed successfully.' as status"

SESSION_SETTINGS = r"timezone|statement_timeout_in_seconds|week_start|use_cached_result|timestamp_\w+"
IGNORED = [
    COMMENTS + rf"alter\s+session\s+(set|unset)\s+({SESSION_SETTINGS})\b",
    COMMENTS + r"use\s+secondary\s+roles\b",
    COMMENTS + r"(create|alter|drop)\s+(or\s+replace\s+)?(role|warehouse|resource\s+monitor)\b",
    COMMENTS + r"alter\s+table\s+\S+\s+set\s+(data_retention_time_in_days|change_tracking)\b",
]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(COMMENTS + text, re.IGNORECASE | re.DOTALL)


QUERY_TAG = _pattern(r"alter\s+session\s+(?:set|unset)\s+query_tag\s*(?:=\s*'(.*?)')?\s*(?:/\*.*\*/\s*)?;?\s*$")
LOCK_TIMEOUT = _pattern(r"alter\s+session\s+set\s+lock_timeout\s*=\s*(\d+)\s*;?\s*$")
SHOW_QUERY_TAG = _pattern(r"show\s+parameters\s+like\s+'query_tag'")
SHOW_LOCKS = _pattern(r"show\s+locks\s*;?\s*$")
ABORT = _pattern(r"select\s+system\$abort_transaction\s*\(\s*(\d+)\s*\)\s*;?\s*$")
GRANT = _pattern(r"((?:grant|revoke)\b.*)$")
SHOW_GRANTS = _pattern(r"(show\s+grants\b.*)$")
REMOVE = _pattern(r"(?:remove|rm)\s+@([\w.]+)/([\w.-]+)\s*;?\s*$")
COPY = _pattern(r"copy\s+into\b")
COPY_IDENTIFIER = re.compile(rf"({COMMENTS}copy\s+into\s+)identifier\(\?\)", re.IGNORECASE | re.DOTALL)
ALTER_COLUMN = _pattern(r"alter\s+(?:table|view)\s+(\S+)\s+(?:alter|modify)\s+(?:column\s+)?(.+)$")
COLUMN_COMMENT = re.compile(
    rf'(?:column\s+)?("(?:[^"]|"")+"|\w+)\s+comment\s+{STRING}\s*(?:,|;|/\*|$)', re.IGNORECASE | re.DOTALL
)
COMMENT_ON_COLUMN = _pattern(rf"comment\s+(?:if\s+exists\s+)?on\s+column\s+(\S+)\.(\S+)\s+is\s+{STRING}")


def rewrite(cursor: Any, connection: Connection, command: str) -> str:
    """Return ``command``, or a statement that stands for it after its effect has been applied here."""
    state = state_of(connection)
    if match := QUERY_TAG.match(command):
        state.query_tag = match[1] or ""
        return DONE
    if match := LOCK_TIMEOUT.match(command):
        state.lock_timeout = float(match[1])
        return DONE
    if SHOW_QUERY_TAG.match(command):
        return _query_tag_row(state.query_tag)
    if SHOW_LOCKS.match(command):
        return _lock_rows()
    if match := ABORT.match(command):
        aborted = transactions.abort(int(match[1]), state.lock_timeout)
        return f"select '{'Transaction aborted.' if aborted else 'Transaction is not running.'}' as status"
    if match := GRANT.match(command):
        grants.change(connection, match[1])
        return DONE
    if match := SHOW_GRANTS.match(command):
        return grants.show(connection, match[1])
    if match := REMOVE.match(command):
        return _remove_staged(connection, *match.groups())
    if COPY.match(command):
        # write_pandas puts the stage's name in quotes
        return re.sub(r"(\bfrom\s+)'(@[^']*)'", r"\1\2", command, flags=re.IGNORECASE)
    comments = _column_comments(command)
    for table, column, text in comments:
        _set_column_comment(cursor, table, column, text)
    return DONE if comments else command


def bind_copy_target(command: str, bound: tuple[Any, ...] | None) -> tuple[str, tuple[Any, ...] | None]:
    """Put the bound name into ``COPY INTO IDENTIFIER(?)``, as write_pandas sends it."""
    if not bound or not COPY_IDENTIFIER.match(command):
        return command, bound
    return COPY_IDENTIFIER.sub(lambda match: match[1] + bound[0], command, count=1), tuple(bound[1:]) or None


def _query_tag_row(tag: str) -> str:
    value = tag.replace("'", "''")
    return (
        f"""select 'QUERY_TAG' as "key", '{value}' as "value", '' as "default", 'SESSION' as "level", """
        """'' as "description", 'STRING' as "type" """
    )


def _lock_rows() -> str:
    """Write what SHOW LOCKS answers: a row for each table that an open transaction has locked."""
    columns = '"resource", "type", "transaction", "transaction_started_on", "status", "acquired_on", "query_id"'
    rows = [
        f"('{name.replace(QUOTE, 2 * QUOTE)}', 'PARTITIONS', {number}, to_timestamp({begun}), 'HOLDING', "
        f"to_timestamp({begun}), '')"
        for name, number, begun in transactions.list_locks()
    ]
    nothing = "('', '', 0, to_timestamp(0), '', to_timestamp(0), '')"
    return f"select * from (values {', '.join([nothing, *rows])}) as locks ({columns}) where \"status\" = 'HOLDING'"


def _remove_staged(connection: Connection, name: str, file: str) -> str:
    """Remove one file of a stage by its name; Snowflake also accepts a folder or a pattern."""
    qualified = ".".join(stage.parts_from_var(name, connection.database, connection.schema))
    path = Path(stage.internal_dir(qualified, file))
    if not path.is_file():
        return "select '' as \"name\", '' as \"result\" where 1=0"
    path.unlink()
    return f"select '{name.rpartition('.')[2].lower()}/{file}' as \"name\", 'removed' as \"result\""


def _column_comments(command: str) -> list[tuple[str, str, str]]:
    if match := COMMENT_ON_COLUMN.match(command):
        return [(match[1], match[2], match[3])]
    if match := ALTER_COLUMN.match(command):
        return [(match[1], column, text) for column, text in COLUMN_COMMENT.findall(match[2])]
    return []


def _set_column_comment(cursor: Any, table: str, column: str, literal: str) -> None:
    parsed = sqlglot.parse_one(f"select * from {table}", read="snowflake")
    (target,) = parsed.transform(fakesnow.transforms.upper_case_unquoted_identifiers).find_all(exp.Table)
    text = literal[2:-2].replace("'", "''") if literal.startswith("$$") else literal[1:-1]
    name = column if column.startswith('"') else f'"{column.upper()}"'
    cursor._duck_conn.execute(f"COMMENT ON COLUMN {target.sql(dialect='duckdb')}.{name} IS '{text}'")
