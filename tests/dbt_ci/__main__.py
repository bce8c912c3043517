"""``python -m tests.dbt_ci --base main --report report.md``; fails when the change is broken."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from tests.dbt_ci.stages import Difference, StageError, checkout, lint, open_warehouse, report
from tests.dbt_project.conftest import PROJECT


def main(
    base: Annotated[str, typer.Option(help="Commit that stands for production.")] = "main",
    report_to: Annotated[Path | None, typer.Option("--report", help="File to write the report to, too.")] = None,
) -> None:
    """Compare this project with the base's."""
    differences: list[Difference] = []
    broken = None
    try:
        lint(PROJECT)
        with TemporaryDirectory(prefix="dbt-ci-") as name, open_warehouse(folder := Path(name)) as warehouse:
            warehouse.build_production(checkout(base, folder / "base"))
            differences = warehouse.build_change(PROJECT)
    except StageError as error:
        broken = str(error)
    text = report(base, differences, broken)
    typer.echo(text)
    if report_to:
        report_to.write_text(text)
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    typer.run(main)
