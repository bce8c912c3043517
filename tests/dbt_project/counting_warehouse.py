"""The embedded warehouse, which notes how many rows each statement of dbt reads of each table.

``python -m tests.dbt_project.counting_warehouse`` with the options of ``include.embedded_warehouse``; ROWS_READ names
the file, a line of JSON for each table that a statement reads: node, table, rows. A row is read when the scan hands it
on.
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


def scans(operator: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield table and rows of each scan in a profile of DuckDB's."""
    if operator["type"] == "TABLE_SCAN" and "Table" in operator["extra_info"]:
        yield operator["extra_info"]["Table"], operator["intermediate_rows"]
    for child in operator.get("children", []):
        yield from scans(child)


class CountingConnection:
    """DuckDB's connection; a statement is profiled whole once its rows are fetched, or another one follows."""

    def __init__(self, connection: Any, owner: Any):
        self._connection, self._owner, self._node = connection, owner, None
        connection.execute("PRAGMA enable_profiling='no_output'")
        connection.execute("SET profiling_coverage = 'ALL'")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *arguments: Any, **named: Any) -> Any:
        self._note()
        self._node = getattr(self._owner, "dbt_node", None)
        return self._connection.execute(*arguments, **named)

    def commit(self) -> None:
        self._note()
        self._connection.commit()

    def to_arrow_table(self) -> Any:
        table = self._connection.to_arrow_table()
        self._note()
        return table

    def fetchall(self) -> Any:
        rows = self._connection.fetchall()
        self._note()
        return rows

    def _note(self) -> None:
        node, self._node = self._node, None
        if node is None:
            return
        profile = json.loads(self._connection.get_profiling_information("json"))
        read = [scan for operator in profile.get("operator", []) for scan in scans(operator)]
        with Path(os.environ["ROWS_READ"]).open("a") as file:
            file.writelines(json.dumps({"node": node, "table": name, "rows": rows}) + "\n" for name, rows in read)


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
