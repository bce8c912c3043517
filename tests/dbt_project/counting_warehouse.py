"""The embedded warehouse, which notes how many rows each statement of dbt reads of each table.

``python -m tests.dbt_project.counting_warehouse`` with the options of ``include.embedded_warehouse``; ROWS_READ names
the file, a line of JSON for each scan: node, table, columns (one name or a list) and rows. A row is read when the scan
hands it on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from fakesnow.cursor import FakeSnowflakeCursor as Cursor

from include.embedded_warehouse import cursor as embedded
from include.embedded_warehouse.__main__ import run

NODE = re.compile(r'"node_id": "([^"]+)"')


def scans(operator: dict[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Yield table, columns and rows of each scan of a table in a profile of DuckDB's; not of fakesnow's own."""
    about = operator["extra_info"]
    if operator["type"] == "TABLE_SCAN" and "Table" in about and "_fs_" not in about["Table"]:
        yield about["Table"], about.get("Projections"), operator["intermediate_rows"]
    for child in operator.get("children", []):
        yield from scans(child)


class CountingConnection:
    """DuckDB's connection, which profiles each statement."""

    def __init__(self, connection: Any, owner: Any):
        self._connection, self._owner = connection, owner
        connection.execute("PRAGMA enable_profiling='no_output'")
        connection.execute("SET profiling_coverage = 'ALL'")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: Any, *arguments: Any, **named: Any) -> Any:
        result = self._connection.execute(statement, *arguments, **named)
        if node := getattr(self._owner, "dbt_node", None):
            profile = json.loads(self._connection.get_profiling_information("json"))
            read = [scan for operator in profile.get("operator", []) for scan in scans(operator)]
            with Path(os.environ["ROWS_READ"]).open("a") as file:
                file.writelines(
                    json.dumps({"node": node, "table": table, "columns": columns, "rows": rows}) + "\n"
                    for table, columns, rows in read
                )
        return result


def install() -> None:
    begin, execute = Cursor.__init__, embedded.execute

    def begun(self: Cursor, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        self._duck_conn = CountingConnection(self._duck_conn, self)

    def noted(self: Cursor, command: str, *arguments: Any, **named: Any) -> Cursor:
        found = NODE.search(command)
        self.dbt_node = found[1] if found else None
        return execute(self, command, *arguments, **named)

    Cursor.__init__, embedded.execute = begun, noted


if __name__ == "__main__":
    install()
    typer.run(run)
