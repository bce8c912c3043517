"""Rehearse the Docker way with each image store, and write what it took."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from shutil import which
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from include.surveillance.errors import SurveillanceError
from tests.benchmarks import machine
from tests.paths import MEASURED
from tests.rehearsal import report
from tests.rehearsal.breakages import try_breakages
from tests.rehearsal.engine import STORES, Engine
from tests.rehearsal.images import engine_root, make_bases
from tests.rehearsal.rehearsal import Outcome, Rehearsal

PROGRAMS = {"mmdebstrap": "mmdebstrap", "slirp4netns": "slirp4netns", "mvn": "maven", "java": "default-jre-headless"}
DEBIAN = Path("/etc/debian_version")

console = Console(highlight=False, soft_wrap=True)


def main(
    store: Annotated[list[str] | None, typer.Option(help=f"Image store: {', '.join(STORES)}; all by default.")] = None,
    bases: Annotated[Path | None, typer.Option(help="Folder that keeps what the images are built on.")] = None,
    broken: Annotated[str, typer.Option(help="Try breakages whose name matches, each of which must fail.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for rehearsal.md and rehearsal.json.")] = None,
) -> None:
    """Dockerfile and docker-compose.yml, unchanged, on a real Docker Engine; the exit code is 1 when something fails.

    Without --out, only a rehearsal with all image stores is written, to docs/measured/rehearsal.
    """
    check_machine()
    begun, about, stores = time.monotonic(), machine.facts(), store or list(STORES)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        kept = bases or folder
        kept.mkdir(exist_ok=True)
        _note(f"Debian and Kafka in {kept}", lambda: make_bases(kept))
        if broken:
            raise typer.Exit(_try(broken, stores[-1], folder, kept))
        outcomes = [_rehearse(name, folder, kept) for name in stores]
    seconds = time.monotonic() - begun
    if out or stores == list(STORES):
        target = out or MEASURED / "rehearsal"
        target.mkdir(parents=True, exist_ok=True)
        (target / "rehearsal.md").write_text(report.markdown(outcomes, about, seconds))
        results = {"about": about, "seconds": seconds, "outcomes": [asdict(outcome) for outcome in outcomes]}
        (target / "rehearsal.json").write_text(json.dumps(results, indent=2) + "\n")
    console.print(f"[green]✓[/] rehearsed with {', '.join(stores)} in {seconds / 60:.0f} minutes")


def check_machine() -> None:
    """Refuse a machine on which an engine cannot be made.

    Raises:
        SurveillanceError: it is not Debian, the user is not root, or a program is missing; the message says which.
    """
    if os.geteuid() or not DEBIAN.exists():
        raise SurveillanceError("a rehearsal makes an engine of Debian's packages: it needs Debian, and root (sudo)")
    if missing := [package for program, package in PROGRAMS.items() if not which(program)]:
        raise SurveillanceError(f"missing: apt-get install {' '.join(missing)}")


def _rehearse(store: str, folder: Path, bases: Path) -> Outcome:
    with Engine(_make_root(store, folder), store) as engine:
        rehearsal = Rehearsal(engine, console)
        rehearsal.prepare(bases)
        try:
            outcome = rehearsal.run()
        except SurveillanceError:
            file = Path(tempfile.gettempdir()) / f"rehearsal-{store}.log"
            rehearsal.keep_logs(file)
            console.print(f"what the containers have said is in {file}")
            raise
    shutil.rmtree(engine.root)
    return outcome


def _try(broken: str, store: str, folder: Path, bases: Path) -> int:
    passed = False
    with Engine(_make_root(store, folder), store) as engine:
        for name, said in try_breakages(engine, bases, console, broken):
            console.print(f"{name}: {said or 'PASSED, though it is broken'}", markup=False)
            passed |= not said
    return int(passed)


def _make_root(store: str, folder: Path) -> Path:
    root = folder / store
    _note(f"a machine with Docker for {store}", lambda: engine_root(store).make(root))
    return root


def _note(what: str, act: Callable[[], None]) -> None:
    begun = time.monotonic()
    act()
    console.print(f"[green]✓[/] {escape(what)} [dim]{time.monotonic() - begun:.1f} s[/]")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Whoever ends us leaves nothing behind; SIGINT too, which a shell that starts us in the background has ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        typer.run(main)
    except SurveillanceError as error:
        console.print(f"[red]✗[/] {escape(str(error))}")
        sys.exit(1)
