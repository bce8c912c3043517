"""Builds the project of a base as production and a changed one beside it, reading production for what is not changed.

What is changed is built twice over copies of production's tables, as a merge into them and once more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snowflake.connector import SnowflakeConnection

from include.surveillance.warehouse.schema import migrate_raw
from tests.dbt_project.conftest import PROJECT, REQUIRED, Market
from tests.dbt_project.test_build import land_first, land_second
from tests.embedded_warehouse.launcher import Launcher
from tests.paths import ROOT

DBT = ROOT / "include" / "orchestration" / "marts" / "dbt"
PRODUCTION = "PROD"
SELECTED = "state:modified+"
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
NO_TESTS = ("--exclude-resource-type", "test", *NO_UNIT_TESTS)


class StageError(Exception):
    """A stage failed; what it printed."""


@dataclass(frozen=True)
class Difference:
    """One table, as production has it and as the change makes it.

    Attributes:
        rows: of production and of the change; None where there is no such table.
        columns: names that only production has, and that only the change has.
        only: rows, over the columns of both, that only production has, and that only the change has.
    """

    table: str
    rows: tuple[int | None, int | None]
    columns: tuple[list[str], list[str]] = ((), ())  # type: ignore[assignment]
    only: tuple[int, int] = (0, 0)


@dataclass
class Warehouse:
    """An embedded warehouse with production in it, and the state that production was built in."""

    connection: SnowflakeConnection
    environment: dict[str, str]
    folder: Path
    changes: int = 0

    @property
    def changed(self) -> str:
        """The database of the change that was built last; each has one of its own."""
        return f"CI_{self.changes}"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def dbt(self, project: Path, database: str, *command: str) -> list[dict[str, Any]]:
        """Run a command of dbt; return the results of its nodes.

        Raises:
            StageError: it failed.
        """
        target = self.folder / database.lower() / "target"
        places = ["--project-dir", project, "--profiles-dir", project, "--target-path", target]
        places += ["--log-path", self.folder / "logs"]
        own = {"SNOWFLAKE_DATABASE": database, "SNOWFLAKE_RAW_DATABASE": PRODUCTION}
        done = subprocess.run(
            [sys.executable, DBT, "--quiet", *command, *map(str, places)],
            env={**os.environ, **self.environment, **own},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StageError(f"dbt {' '.join(command)}:\n{done.stdout}{done.stderr}")
        written = target / "run_results.json"
        return json.loads(written.read_text())["results"] if written.exists() else []

    def build_production(self, project: Path) -> None:
        """Build the base's project over a market of two sessions, and keep its manifest as the state."""
        self.connection.cursor().execute(f"use database {PRODUCTION}")
        market = Market(self.connection)
        land_first(market)
        land_second(market)
        self.dbt(project, PRODUCTION, "build", *NO_TESTS)
        self.state.mkdir()
        (self.folder / PRODUCTION.lower() / "target" / "manifest.json").rename(self.state / "manifest.json")

    def build_change(self, project: Path) -> list[Difference]:
        """Check a changed project and build what is changed of it; return what that changes in the tables.

        Raises:
            StageError: something of it is broken.
        """
        self.changes += 1
        self.connection.cursor().execute(f"create database {self.changed}")
        self.dbt(project, self.changed, "--warn-error", "parse", "--no-partial-parse")
        known = ("--state", str(self.state))
        defer = ("--select", SELECTED, "--defer", *known)
        # Also what it reads: unit tests ask for columns, and find none in another database.
        copied = ("--select", "@state:modified", "--vars", "{copy_grants: false}")
        self.dbt(project, self.changed, "clone", *copied, *known)
        self.dbt(project, self.changed, "build", *defer, *NO_UNIT_TESTS)
        built = self.dbt(project, self.changed, "build", *defer)
        tables = [result["relation_name"] for result in built if result["unique_id"].startswith("model.")]
        return [self._compare(*table.lower().split(".")[1:]) for table in tables]

    def _compare(self, schema: str, table: str) -> Difference:
        before, after = (self._columns(database, schema, table) for database in (PRODUCTION, self.changed))
        old, new = (f"{database}.{schema}.{table}" for database in (PRODUCTION, self.changed))
        counts = tuple(
            self._count(f"select * from {name}") if has else None for name, has in ((old, before), (new, after))
        )
        both = ", ".join(name for name in before if name in after)
        if not both:
            return Difference(table, counts)  # type: ignore[arg-type]
        missing = self._count(f"select {both} from {old} except select {both} from {new}")
        added = self._count(f"select {both} from {new} except select {both} from {old}")
        columns = ([name for name in before if name not in after], [name for name in after if name not in before])
        return Difference(table, counts, columns, (missing, added))  # type: ignore[arg-type]

    def _columns(self, database: str, schema: str, table: str) -> list[str]:
        rows = self.connection.cursor().execute(
            f"select lower(column_name) from {database}.information_schema.columns "
            "where table_schema = %s and table_name = %s order by ordinal_position",
            (schema.upper(), table.upper()),
        )
        return [name for (name,) in rows.fetchall()]

    def _count(self, rows: str) -> int:
        ((count,),) = self.connection.cursor().execute(f"select count(*) from ({rows}) as counted").fetchall()
        return int(count)


@contextmanager
def open_warehouse(folder: Path) -> Iterator[Warehouse]:
    """Yield a warehouse of its own whose production has tables of RAW, still empty."""
    (folder / "warehouse").mkdir()
    launcher = Launcher(folder / "warehouse").start()
    environment = dict.fromkeys(REQUIRED, "any") | {
        "SNOWFLAKE_HOST": "127.0.0.1",
        "SNOWFLAKE_PORT": str(launcher.port),
        "REQUESTS_CA_BUNDLE": str(launcher.bundle),
    }
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    os.environ["REQUESTS_CA_BUNDLE"] = environment["REQUESTS_CA_BUNDLE"]
    try:
        with launcher.connect(database=PRODUCTION) as connection:
            migrate_raw(connection)
            yield Warehouse(connection, environment, folder)
    finally:
        launcher.stop()
        os.environ.pop("REQUESTS_CA_BUNDLE") if before is None else os.environ.update(REQUESTS_CA_BUNDLE=before)


def checkout(ref: str, folder: Path) -> Path:
    """Write the dbt project of a commit into a folder; return where it is.

    Raises:
        StageError: there is no such commit.
    """
    packed = subprocess.run(["git", "archive", ref, PROJECT.name], cwd=ROOT, capture_output=True)
    if packed.returncode:
        raise StageError(f"git archive {ref}: {packed.stderr.decode()}")
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
    return folder / PROJECT.name


def lint(project: Path) -> None:
    """Lint SQL.

    Raises:
        StageError: SQLFluff found something.
    """
    sqlfluff = Path(sys.executable).with_name("sqlfluff")
    done = subprocess.run(
        [sqlfluff, "lint", "--disable-progress-bar", project], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise StageError(f"sqlfluff lint {project.name}:\n{done.stdout}{done.stderr}")


def report(base: str, differences: list[Difference], broken: str | None) -> str:
    """Write what a change does as Markdown."""
    lines = [f"# What the change does to the tables of {base}", ""]
    if broken:
        return "\n".join([*lines, "**Broken.**", "", "```", broken.strip(), "```", ""])
    if not differences:
        return "\n".join([*lines, "No table is changed, and none reads a model that is.", ""])
    lines += ["Built twice over copies of production; rows are compared over the columns of both.", ""]
    lines += [
        "| table | rows before | rows after | rows only before | rows only after | columns |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for one in differences:
        gone, new = one.columns
        changed = ", ".join([*(f"-{name}" for name in gone), *(f"+{name}" for name in new)])
        before, after = ("none" if count is None else str(count) for count in one.rows)
        lines.append(f"| {one.table} | {before} | {after} | {one.only[0]} | {one.only[1]} | {changed} |")
    return "\n".join([*lines, ""])
