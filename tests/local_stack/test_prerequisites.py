"""What is missing is installed where that is possible, and named in one line where it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.local_stack import prerequisites
from include.local_stack.errors import StackError

PROGRAMS = {
    "java": "openjdk-21-jre-headless",
    "mvn": "maven",
    "initdb": "postgresql",
    "redis-server": "redis-server",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
}
# Notes its arguments and whether services may start; `install` makes the programs of the packages.
APT = """#!/bin/sh
echo "$@" >> {log}
[ -x {policy} ] && echo "services: $({policy}; echo $?)" >> {log}
case "$*" in *install*) {install} ;; esac
"""


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def java(folder: Path, version: str) -> None:
    program(folder, "java", f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with nothing but what a test puts into the folder, owned by somebody who is not root."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(prerequisites, "DEBIAN_POSTGRES", tmp_path / "postgresql")
    monkeypatch.setattr(prerequisites, "NO_SERVICES", tmp_path / "policy-rc.d")
    return tmp_path


@pytest.fixture
def complete(machine):
    java(machine, "17.0.15")
    for name in PROGRAMS.keys() - {"java"}:
        program(machine, name)
    return machine


def test_a_complete_machine_is_left_alone(complete):
    said = []
    prerequisites.ensure_prerequisites(said.append)
    assert said == []


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_what_is_missing_is_named_in_one_line(complete, name):
    (complete / name).unlink()
    with pytest.raises(StackError) as error:
        prerequisites.ensure_prerequisites(print)
    message = str(error.value)
    assert "\n" not in message
    assert f"install {PROGRAMS[name].replace('21', '17')}" in message


def test_prometheus_is_missed_only_where_it_is_wanted_and_the_message_says_how_to_do_without(complete):
    (complete / "prometheus").unlink()
    prerequisites.ensure_prerequisites(print, monitoring=False)
    with pytest.raises(StackError, match="MONITORING=0"):
        prerequisites.ensure_prerequisites(print)
    (complete / "redis-server").unlink()
    with pytest.raises(StackError) as error:
        prerequisites.ensure_prerequisites(print, monitoring=False)
    assert "MONITORING" not in str(error.value)


@pytest.mark.parametrize(
    ("version", "fits"), [("1.8.0_352", False), ("11.0.2", False), ("17.0.15", True), ("25", True)]
)
def test_java_must_be_new_enough(complete, version, fits):
    java(complete, version)
    assert bool(prerequisites.PREREQUISITES[0].find()) is fits


def test_debian_as_root_installs_what_is_missing_and_starts_no_service(complete, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (complete / "redis-server").unlink()
    log, policy = complete / "apt.log", complete / "policy-rc.d"
    install = f"echo '#!/bin/sh' > {complete}/redis-server; /bin/chmod +x {complete}/redis-server"
    program(complete, "apt-get", APT.format(log=log, policy=policy, install=install))
    program(complete, "apt-cache")
    said = []
    prerequisites.ensure_prerequisites(said.append)
    assert said == ["installing Debian packages: redis-server"]
    assert "install -y --no-install-recommends redis-server" in log.read_text()
    assert "services: 101" in log.read_text()
    assert not policy.exists()


def test_a_failed_installation_is_told(complete, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (complete / "mvn").unlink()
    program(complete, "apt-get", "#!/bin/sh\necho 'E: no network' >&2\nexit 100\n")
    with pytest.raises(StackError, match="E: no network"):
        prerequisites.ensure_prerequisites(print)
