"""dbt's manifest is made again when the project has changed; a failed step tells why."""

from __future__ import annotations

import os
import sys

import pytest

from include.local_stack import initialisation
from include.local_stack.errors import StackError


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(initialisation, "DBT_PROJECT", tmp_path)
    monkeypatch.setattr(initialisation, "MANIFEST", tmp_path / "target" / "manifest.json")
    (tmp_path / "target").mkdir()
    (tmp_path / "models").mkdir()
    write(tmp_path / "models" / "fact.sql", 100)
    return tmp_path


def write(path, mtime):
    path.write_text("")
    os.utime(path, (mtime, mtime))


def test_a_missing_manifest_is_made(project):
    assert initialisation.manifest_is_old()


def test_a_newer_manifest_is_kept(project):
    write(project / "target" / "manifest.json", 200)
    write(project / "target" / "run_results.json", 300)
    assert not initialisation.manifest_is_old()


def test_a_changed_model_makes_it_old(project):
    write(project / "target" / "manifest.json", 200)
    write(project / "models" / "fact.sql", 300)
    assert initialisation.manifest_is_old()


def test_a_failed_step_tells_the_end_of_its_log(tmp_path):
    log = tmp_path / "init.log"
    with pytest.raises(StackError, match="ended with 1") as error:
        initialisation._run([sys.executable, "-c", "raise SystemExit('database is locked')"], os.environ, log)
    assert "database is locked" in str(error.value)
