"""What a rehearsal relies on; the rehearsal itself takes minutes and is `make rehearse`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from include.surveillance.errors import SurveillanceError
from tests.paths import ROOT
from tests.rehearsal import __main__ as command
from tests.rehearsal.breakages import BREAKAGES
from tests.rehearsal.engine import STORES
from tests.rehearsal.images import STAND_INS, Names
from tests.rehearsal.rehearsal import Outcome, copy_project
from tests.rehearsal.report import markdown
from tests.rehearsal.usage import Usage, service

COMPOSE = (ROOT / "docker-compose.yml").read_text()
ABOUT = {"date": "2026-11-23", "cpu": "a cpu", "cores": 2, "load_at_start": 0.5}


def test_every_image_that_the_project_asks_for_has_a_stand_in():
    names = vars(Names.read(ROOT))
    assert {folder.name for folder in STAND_INS.iterdir()} == set(names)
    images = {it["image"] for it in yaml.safe_load(COMPOSE)["services"].values() if "profiles" not in it}
    assert images - set(names.values()) == {"market-surveillance:latest"}


def test_an_image_without_a_stand_in_is_named(tmp_path):
    (tmp_path / "Dockerfile").write_text((ROOT / "Dockerfile").read_text())
    (tmp_path / "docker-compose.yml").write_text(COMPOSE.replace("redis:7.2.11", "valkey:8.1.0"))
    with pytest.raises(SurveillanceError, match=r"valkey:8\.1\.0"):
        Names.read(tmp_path)


@pytest.mark.parametrize("script", [*STAND_INS.glob("*/[!D]*"), STAND_INS.parent / "enter.sh"], ids=lambda it: it.name)
def test_start_scripts_are_shell(script):
    shell = script.read_text().splitlines()[0].removeprefix("#!")
    assert subprocess.run([shell, "-n", str(script)], capture_output=True).returncode == 0


@pytest.mark.parametrize("name", BREAKAGES)
def test_each_breakage_changes_the_file_and_leaves_it_readable(name):
    broken = BREAKAGES[name](COMPOSE)
    assert yaml.safe_load(broken) != yaml.safe_load(COMPOSE)


def test_what_is_rehearsed_is_what_is_committed(tmp_path):
    copy_project(tmp_path)
    copied = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {Path("docker-compose.yml"), Path("Dockerfile"), Path("Makefile")} <= copied
    assert not {Path(".env"), Path("airflow.env"), Path(".venv")} & copied
    assert (tmp_path / "docker-compose.yml").read_text() == COMPOSE


@pytest.mark.parametrize(
    ("user", "missing", "said"), [(1000, [], "root"), (0, ["mmdebstrap"], "apt-get install mmdeb")]
)
def test_a_machine_on_which_it_cannot_be_done_is_told_what_it_lacks(monkeypatch, user, missing, said):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(command, "DEBIAN", ROOT / "Makefile")
    monkeypatch.setattr(command, "which", lambda name: None if name in missing else f"/usr/bin/{name}")
    with pytest.raises(SurveillanceError, match=said):
        command.check_machine()


def test_not_debian_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(command, "DEBIAN", tmp_path / "debian_version")
    with pytest.raises(SurveillanceError, match="needs Debian"):
        command.check_machine()


@pytest.mark.parametrize(
    ("container", "name"),
    [("market-surveillance-worker-poll-1", "worker-poll"), ("market-surveillance-api-server-12", "api-server")],
)
def test_a_container_is_one_of_a_service(container, name):
    assert service(container) == name


def test_the_page_adds_up():
    usage = Usage(
        idle={"kafka": 400, "redis": 10},
        peak={"kafka": 500, "redis": 20},
        check_s={"kafka": 0.06, "redis": 0.03},
        checks_a_minute={"kafka": 2, "redis": 4},
        platform=0.2,
    )
    assert usage.checks == pytest.approx(0.004)
    versions = {"engine": "28.5.2", "compose": "2.40.3"}
    outcomes = [Outcome(store, versions, {"make env": 1.4}, usage, 1700, 900, 12, 900) for store in STORES]
    page = markdown(outcomes, ABOUT, 600)
    assert "| **all** | **410** | **520** | **410** | **520** |" in page
    assert "take 0.2 % of 2 processors, a single one 30 to" in page
    assert "| make env | 1 | 1 |" in page
    assert "all 900 of them were there, unchanged, and 12 of live minutes" in page
