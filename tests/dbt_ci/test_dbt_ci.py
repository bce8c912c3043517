"""A change of one table, and changes that are broken."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.dbt_ci.stages import StageError, open_warehouse, report
from tests.dbt_project.conftest import PROJECT
from tests.paths import ROOT

# Some dozen starts of dbt.
pytestmark = pytest.mark.timeout(900)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Production, built of the project as it is here."""
    with open_warehouse(tmp_path_factory.mktemp("ci")) as opened:
        opened.build_production(PROJECT)
        yield opened


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(PROJECT, tmp_path / "changed", ignore=shutil.ignore_patterns("target", "logs")))


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def test_what_is_changed_and_what_reads_it_is_built_and_compared(warehouse, project):
    change(project / "models/marts/dim_market_sessions.sql", "count(distinct symbol) as symbols", "7 as symbols")
    # Although it is another database, and another folder, nothing else is.
    differences = {one.table: one for one in warehouse.build_change(project)}
    found = differences.pop("dim_market_sessions")
    assert {table: one.only for table, one in differences.items()} == {
        "fact_bars_adjusted": (0, 0), "fact_polled_minutes": (0, 0), "rpt_alert_outcomes": (0, 0),
        "rpt_coverage": (0, 0), "rpt_coverage_sessions": (0, 0), "rpt_feed_sla": (0, 0),
    }  # fmt: skip
    assert found.rows == (3, 3)
    assert found.only == (2, 2)
    assert "No table is changed" in report("main", [], None)
    text = report("main", [found], None)
    assert "| dim_market_sessions | 3 | 3 | 2 | 2 |  |" in text


@pytest.mark.parametrize(
    ("file", "before", "after", "named"),
    [
        ("models/reporting/rpt_symbol_day.sql", "max(high) as high", "max(high)::varchar as high", "rpt_symbol_day"),
        ("models/reporting/rpt_symbol_day.sql", "{{ ref('fact_alerts') }}", "{{ ref('fact_alert') }}", "fact_alert"),
    ],
    ids=["contract", "reference"],
)
def test_what_is_broken_is_named(warehouse, project, file, before, after, named):
    change(project / file, before, after)
    with pytest.raises(StageError, match=named) as raised:
        warehouse.build_change(project)
    assert named in report("main", [], str(raised.value))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.stem)
def test_each_step_of_a_workflow_can_be_run_here(workflow):
    """What a step runs is a shell's, and the targets, scripts and files that it names exist."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert lines
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for line in lines:
        subprocess.run(["bash", "-n", "-c", line], check=True)
        assert set(re.findall(r"\bmake ([a-z-]+)", line)) <= targets, line
        for script in re.findall(r"(?:^|\s)(\.[/\w]+|include/\S+)", line):
            assert (ROOT / script).exists(), line


def test_there_are_workflows():
    assert [file.stem for file in WORKFLOWS] == ["ci", "dbt"]
