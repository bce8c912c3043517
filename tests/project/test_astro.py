"""The Astro CLI's own files: .astro/config.yaml and what `astro dev parse` runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.paths import ROOT

GOOD = "from airflow.sdk import DAG\n\nwith DAG('good', schedule=None):\n    pass\n"
BROKEN = "from airflow.sdk import DAG\n\nraise RuntimeError('a broken import')\n"
EMPTY = "ANSWER = 42\n"


def parse(folder: Path, home: Path) -> subprocess.CompletedProcess:
    """What the CLI runs, on a DAG folder."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
    }
    test = ROOT / ".astro" / "test_dag_integrity_default.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(test)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home)


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "dags"
    path.mkdir()
    return path


def test_the_project_has_a_name_and_a_database_of_the_same_version(services):
    config = yaml.safe_load((ROOT / ".astro" / "config.yaml").read_text())
    assert config["project"]["name"] == yaml.safe_load((ROOT / "docker-compose.yml").read_text())["name"]
    assert services["postgres"]["image"] == f"postgres:{config['postgres']['tag']}"


def test_parse_passes_on_a_dag_that_loads(folder, tmp_path):
    (folder / "good.py").write_text(GOOD)
    run = parse(folder, tmp_path)
    assert run.returncode == 0, run.stdout
    assert "2 passed" in run.stdout


def test_parse_fails_on_a_broken_file_an_empty_file_and_a_missing_folder(folder, tmp_path):
    (folder / "good.py").write_text(GOOD)
    (folder / "broken.py").write_text(BROKEN)
    (folder / "empty.py").write_text(EMPTY)
    run = parse(folder, tmp_path)
    assert "2 failed, 2 passed" in run.stdout, run.stdout
    assert "a broken import" in run.stdout
    assert "empty.py defines no DAG" in run.stdout
    assert "no DAG file" in parse(tmp_path / "missing", tmp_path).stdout


def test_no_file_that_plain_compose_would_merge():
    """The CLI reads an override file, and so does plain compose: both ways of starting would fight over it."""
    assert not list(ROOT.glob("docker-compose.override.y*ml"))
    assert not list(ROOT.glob("compose*.y*ml"))
