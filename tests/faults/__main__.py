"""Inflict the faults, compare after each with the truth, write what came out as Markdown and JSON."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from include.local_stack.credentials import leaks
from include.local_stack.stack import clean
from include.surveillance.errors import SurveillanceError
from tests.faults import planted, report
from tests.faults.load import Load
from tests.faults.matrix import Fault, faults
from tests.faults.recovery import AWAY, LIMIT_SECONDS, Recovery
from tests.faults.report import Outcome
from tests.faults.stage import Stage
from tests.faults.topics import Topics
from tests.faults.truth import Truth
from tests.faults.vendor import Vendor
from tests.paths import MEASURED

console = Console(highlight=False, soft_wrap=True)


def main(
    only: Annotated[str | None, typer.Option(help="Only faults whose name matches this regular expression.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Name the faults and do nothing.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for faults.md and faults.json, default docs/measured/faults.")
    ] = None,
) -> None:
    """One fault after the other on the whole local stack, each held against the truth.

    Only a full matrix is written to docs/measured/faults. The exit code is 1 when a row fails.
    """
    chosen = [fault for fault in faults() if re.search(only or "", fault.name)]
    if listed or not chosen:
        typer.echo("\n".join(fault.name for fault in chosen) or f"no fault matches {only}")
        raise typer.Exit(0 if listed else 2)
    begun, about = time.monotonic(), report.facts()
    stage = Stage(console)
    with stage.stack:
        stage.bring_up()
        outcomes = inflict(stage, chosen)
    outcomes.append(no_secrets(stage))
    command = shlex.join(["python", "-m", "tests.faults", *sys.argv[1:]])
    text = report.markdown(outcomes, about, command, time.monotonic() - begun)
    console.print(text, markup=False)
    if out or not only:
        folder = out or MEASURED / "faults"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "faults.md").write_text(text)
        found = report.as_dict(outcomes, about, command, time.monotonic() - begun)
        (folder / "faults.json").write_text(json.dumps(found, indent=2) + "\n")
    if all(outcome.passed for outcome in outcomes):
        clean(stage.state)
        raise typer.Exit(0)
    console.print(f"logs and data of the run are in {stage.state}")
    raise typer.Exit(1)


def inflict(stage: Stage, chosen: list[Fault]) -> list[Outcome]:
    """Every row, printed as it ends."""
    topics, vendor = Topics(stage.kafka, stage.partitions), Vendor(stage.environment)
    load = Load(stage, topics)
    recovery = Recovery(stage, topics, load, vendor)
    truth = Truth(stage, topics, load, vendor, recovery)
    outcomes = []
    for fault in chosen:
        outcome = row(fault, stage, load, recovery, truth, last=fault is chosen[-1])
        outcomes.append(outcome)
        tell(outcome)
        if not outcome.passed:
            # The next fault is to meet a platform that is well.
            recovery.wait(fault.component, time.time(), LIMIT_SECONDS)
    outcomes.append(planted_is_found(stage, topics, recovery, truth))
    return outcomes


def row(fault: Fault, stage: Stage, load: Load, recovery: Recovery, truth: Truth, last: bool) -> Outcome:
    outcome, before = Outcome(fault.name, ""), truth.counts()
    try:
        fault.prepare(stage)
        load.begin()
        if not fault.points:  # those strike by themselves
            load.await_first_bars()
        outcome.at = _iso(time.time())
        since = fault.inflict(stage, fault)
        outcome.recovered_s, lacks = recovery.wait(fault.component, since)
        outcome.waited = recovery.waited
        if lacks:
            outcome.wrong.append(f"not recovered after {LIMIT_SECONDS:.0f} s: {lacks}")
        else:
            found = truth.compare(last)
            outcome.lost, outcome.doubled = sorted(found.lost), sorted(found.doubled)
            outcome.wrong += sorted(found.wrong)
            outcome.replayed = found.replayed
        if down := stage.down():
            outcome.wrong.append(f"not running: {', '.join(down)}")
    except (*AWAY, TimeoutError) as error:
        outcome.wrong.append(f"{type(error).__name__}: {error}")
    finally:
        fault.undo(stage)
    outcome.at = outcome.at or _iso(time.time())
    for name, count in truth.counts().items():
        setattr(outcome, name, count - before[name])
    return outcome


def planted_is_found(stage: Stage, topics: Topics, recovery: Recovery, truth: Truth) -> Outcome:
    """The comparison itself: what is lost and doubled on purpose is what it finds, and nothing else."""
    outcome = Outcome("lost and doubled on purpose", _iso(time.time()))
    lost, doubled = planted.plant(stage, topics)
    outcome.recovered_s, lacks = recovery.wait(None, time.time())
    found = truth.compare() if not lacks else None
    if found is None or (len(found.lost), len(found.doubled), found.wrong) != (lost, doubled, set()):
        outcome.wrong.append(f"planted {lost} lost and {doubled} doubled; found {found or lacks}")
    tell(outcome)
    return outcome


def no_secrets(stage: Stage) -> Outcome:
    """The last row: what all the crashes have written."""
    folders = [stage.state / "logs", stage.state / "airflow" / "logs"]
    count = sum(file.is_file() for folder in folders for file in folder.rglob("*"))
    leaked = [leak for folder in folders for leak in leaks(folder, stage.stack.credentials)]
    outcome = Outcome(f"secrets in {count:,} logs", _iso(time.time()), wrong=leaked)
    tell(outcome)
    return outcome


def tell(outcome: Outcome) -> None:
    console.print(" | ".join(outcome.cells()), markup=False)
    for text in (*outcome.waited, *outcome.problems[: report.SHOWN]):
        console.print(f"    {text}", markup=False, style="dim")


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # SIGINT too: a shell that starts us in the background has it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        typer.run(main)
    except SurveillanceError as error:
        console.print(f"{error}", markup=False)
        sys.exit(1)
