"""The programs that Python packages cannot bring: Java, Maven, PostgreSQL, Redis, Prometheus and its Alertmanager."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from include.local_stack.errors import StackError

JAVA_MINIMUM = 17
DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
NO_SERVICES = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True)
class Prerequisite:
    """A program: ``find`` returns its path or None; ``packages`` are Debian's, in order of preference."""

    name: str
    packages: tuple[str, ...]
    find: Callable[[], str | None]


def list_prerequisites(*, monitoring: bool = True) -> tuple[Prerequisite, ...]:
    """List what a start needs; MONITORING=0 needs less."""
    return (*PREREQUISITES, *MONITORING) if monitoring else PREREQUISITES


def ensure_prerequisites(say: Callable[[str], None], *, monitoring: bool = True) -> None:
    """Install the missing programs, which works on Debian as root.

    Raises:
        StackError: something is missing and cannot be installed from here; one line says what.
    """
    missing = [item for item in list_prerequisites(monitoring=monitoring) if item.find() is None]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _install(missing, say)
        missing = [item for item in missing if item.find() is None]
    if missing:
        packages = " ".join(item.packages[-1] for item in missing)
        without = "; MONITORING=0 does without Prometheus" if set(missing) & set(MONITORING) else ""
        raise StackError(
            f"missing: {', '.join(item.name for item in missing)}; install it and try again "
            f"(on Debian or Ubuntu: sudo apt-get install {packages}; elsewhere the same programs){without}"
        )


def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's server programs; Debian keeps them off the PATH.

    Raises:
        StackError: there is none.
    """
    if folder := _postgres():
        return Path(folder)
    raise StackError("missing: PostgreSQL's server programs; install the package postgresql")


def _java() -> str | None:
    if java := shutil.which("java"):
        output = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
        version = re.search(r'version "(?:1\.)?(\d+)', output)
        return java if version and int(version[1]) >= JAVA_MINIMUM else None
    return None


def _postgres() -> str | None:
    versions = sorted(DEBIAN_POSTGRES.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    initdb = versions[-1] if versions else shutil.which("initdb")
    return str(Path(initdb).resolve().parent) if initdb else None


PREREQUISITES = (
    Prerequisite(f"Java {JAVA_MINIMUM} or newer", ("openjdk-21-jre-headless", "openjdk-17-jre-headless"), _java),
    Prerequisite("Maven (mvn)", ("maven",), lambda: shutil.which("mvn")),
    Prerequisite("PostgreSQL's server programs", ("postgresql",), _postgres),
    Prerequisite("Redis (redis-server)", ("redis-server",), lambda: shutil.which("redis-server")),
)


# Debian's name for the program; Prometheus' own archives have another.
ALERTMANAGER = ("prometheus-alertmanager", "alertmanager")


def alertmanager_program() -> str | None:
    """Return the path of Alertmanager, or None."""
    return next(filter(None, map(shutil.which, ALERTMANAGER)), None)


MONITORING = (
    Prerequisite("Prometheus", ("prometheus",), lambda: shutil.which("prometheus") and shutil.which("promtool")),
    Prerequisite("Prometheus' Alertmanager", ("prometheus-alertmanager",), alertmanager_program),
)


def _install(missing: list[Prerequisite], say: Callable[[str], None]) -> None:
    _apt("update")
    packages = [next(filter(_known, item.packages), item.packages[-1]) for item in missing]
    say(f"installing Debian packages: {' '.join(packages)}")
    with _services_stay_down():
        _apt("install", "-y", "--no-install-recommends", *packages)


def _known(package: str) -> bool:
    return subprocess.run(["apt-cache", "show", package], capture_output=True).returncode == 0


def _apt(*arguments: str) -> None:
    command = ["apt-get", "-q", *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    )
    if run.returncode:
        tail = " / ".join((run.stderr or run.stdout).strip().splitlines()[-3:])
        raise StackError(f"`{' '.join(command)}` failed: {tail}")


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Forbid Debian to start the services of the packages that it installs meanwhile."""
    ours = not NO_SERVICES.exists()
    if ours:
        NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        NO_SERVICES.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            NO_SERVICES.unlink()
