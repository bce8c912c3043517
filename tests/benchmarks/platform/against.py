"""The platform of another commit and this one in turns: one run beside one other differs by more than is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from include.surveillance.errors import SurveillanceError
from tests.benchmarks import machine
from tests.benchmarks.platform.report import table
from tests.paths import MEASURED, ROOT

# What is better as it is smaller; of the others only their targets count.
JUDGED = ("s", "%")
WORSE = 1.10
TIME_LIMIT_SECONDS = 3600
Run = Mapping[str, tuple[float, str]]

console = Console(highlight=False, soft_wrap=True)


class Compared(NamedTuple):
    """One figure: medians of both sides' runs, their ratio, and whether this side is worse by more than a tenth."""

    name: str
    unit: str
    before: float
    after: float
    ratio: float
    worse: bool


def compare(before: Sequence[Run], after: Sequence[Run]) -> list[Compared]:
    """Compare the figures that every run of both sides has, by the medians."""
    names = [name for name in after[0] if all(name in run for run in (*before, *after))]
    compared = []
    for name in names:
        unit = after[0][name][1]
        then, now = (median(run[name][0] for run in runs) for runs in (before, after))
        ratio = now / then if then else float(now == then)
        compared.append(Compared(name, unit, then, now, ratio, unit in JUDGED and then > 0 and ratio > WORSE))
    return compared


def read_run(file: Path) -> Run:
    """Read the figures of one run, by the name of the part and of the figure."""
    results = json.loads(file.read_text())["results"]
    return {
        f"{result['name']}: {figure['name']}": (figure["value"], figure["unit"])
        for result in results
        for figure in result["figures"]
        if figure["value"] is not None
    }


def write_report(compared: Sequence[Compared], runs: int, base: str, command: str, about: Mapping[str, Any]) -> str:
    """Write the comparison as a page."""
    load = about["load_at_start"]
    worse = [it.name for it in compared if it.worse]
    verdict = f"{len(worse)} worse by more than a tenth: {'; '.join(worse)}" if worse else "None is worse by a tenth"
    rows = [
        (it.name, f"{it.before:.2f}", f"{it.after:.2f}", it.unit, f"{it.ratio:.2f}", "worse" if it.worse else "")
        for it in compared
    ]
    lines = [
        f"# The platform beside {base}",
        "",
        f"`{command}`, {about['date']}: {about['cpu']}, {about['cores']} cores, load at the start {load}. Medians of",
        f"{runs} runs of each commit, in turns.",
        "",
        f"**{verdict}.**",
        *table(("figure", base, "now", "unit", "ratio", ""), rows),
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def checked_out(base: str) -> Iterator[Path]:
    """A folder with the commit, set up with its own locks.

    Raises:
        SurveillanceError: there is no such commit, or it cannot be set up.
    """
    with tempfile.TemporaryDirectory(prefix="bench-base-") as place:
        folder = Path(place) / "base"
        _run(["git", "worktree", "add", "--detach", str(folder), base], ROOT)
        try:
            _run(["make", "setup"], folder)
            yield folder
        finally:
            _run(["git", "worktree", "remove", "--force", str(folder)], ROOT)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIME_LIMIT_SECONDS)
    if done.returncode:
        raise SurveillanceError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr[-500:]}")


def main(
    base: Annotated[str, typer.Option(help="The commit to compare with.")],
    pairs: Annotated[int, typer.Option(min=1, help="Runs of each commit.")] = 2,
    minutes: Annotated[int, typer.Option(min=1, help="Measured minutes of each run.")] = 5,
    only: Annotated[str, typer.Option(help="The part of the benchmark.")] = "market-11000",
    out: Annotated[Path | None, typer.Option(help="Folder of the report.")] = None,
) -> None:
    """Run base, this, base, this and so on; exit code 1 when a figure is worse by more than a tenth."""
    about, runs = machine.facts(), {"before": list[Run](), "after": list[Run]()}
    environment = {"SHARED_DATA": str(ROOT.parent / "shared" / "data")} | os.environ
    with checked_out(base) as other, tempfile.TemporaryDirectory(prefix="bench-runs-") as place:
        for number in range(pairs):
            for side, folder in (("before", other), ("after", ROOT)):
                results = Path(place) / f"{side}-{number}"
                console.print(f"[bold]{side}, run {number + 1} of {pairs}[/]")
                python = [str(folder / ".venv" / "bin" / "python"), "-m", "tests.benchmarks.platform"]
                asked = ["--only", only, "--minutes", str(minutes), "--out", str(results)]
                # A missed target is a figure like the others here.
                subprocess.run([*python, *asked], cwd=folder, env=environment, check=False, timeout=TIME_LIMIT_SECONDS)
                if not (file := results / "platform.json").exists():
                    raise SurveillanceError(f"the run of {folder} has no results; what it said is above")
                runs[side].append(read_run(file))
    compared = compare(runs["before"], runs["after"])
    command = f"make bench-against BASE={base}"
    text = write_report(compared, pairs, base, command, about)
    console.print(text, markup=False)
    folder = out or MEASURED / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "against.md").write_text(text)
    raise typer.Exit(int(any(it.worse for it in compared)))


if __name__ == "__main__":
    try:
        typer.run(main)
    except SurveillanceError as error:
        console.print(f"[red]✗[/] {error}", markup=False)
        sys.exit(1)
