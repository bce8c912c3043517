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

from include.local_stack.stack import clean
from include.surveillance.errors import SurveillanceError
from tests.faults import plant, report
from tests.faults.differences import Differences
from tests.faults.load import Load
from tests.faults.matrix import Fault, faults
from tests.faults.recovery import AWAY, LIMIT_SECONDS, Recovery
from tests.faults.report import Outcome
from tests.faults.stage import Stage
from tests.faults.topics import Topics
from tests.faults.truth import Truth
from tests.faults.vendor import Vendor
from tests.leaks import leaked_credentials
from tests.paths import MEASURED

MINUTE_SECONDS = 60.0
REST_SECONDS = (20.0, 57.0)  # of a minute: its poll is over, the next one is to come
console = Console(highlight=False, soft_wrap=True)


def main(
    only: Annotated[str | None, typer.Option(help="Only faults whose name matches this regular expression.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Name the faults and do nothing.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for faults.md and faults.json, default docs/measured/faults.")
    ] = None,
) -> None:
    """One fault after the other on the whole local stack, each compared with the truth.

    Only a full matrix is written to docs/measured/faults. The exit code is 1 when a row fails.
    """
    chosen = [fault for fault in faults() if re.search(only or "", fault.name)]
    if listed or not chosen:
        typer.echo("\n".join(fault.name for fault in chosen) or f"no fault matches {only}")
        raise typer.Exit(0 if listed else 2)
    begun, stage = time.monotonic(), Stage(console)
    with stage.stack:
        stage.bring_up()
        about = report.facts()
        outcomes = inflict_all(stage, chosen)
    outcomes.append(check_logs(stage))
    command = shlex.join(["python", "-m", "tests.faults", *sys.argv[1:]])
    text = report.markdown(outcomes, about, command, time.monotonic() - begun)
    console.print(text, markup=False)
    if out or not only:
        folder = out or MEASURED / "faults"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "faults.md").write_text(text)
        results = report.as_dict(outcomes, about, command, time.monotonic() - begun)
        (folder / "faults.json").write_text(json.dumps(results, indent=2) + "\n")
    if all(outcome.passed for outcome in outcomes):
        clean(stage.stack.state)
        raise typer.Exit(0)
    console.print(f"logs and data of the run are in {stage.stack.state}")
    raise typer.Exit(1)


def inflict_all(stage: Stage, chosen: list[Fault]) -> list[Outcome]:
    """Inflict one fault after the other and print each row as it ends."""
    topics, vendor = Topics(stage.kafka, stage.partitions), Vendor(stage.environment)
    load = Load(stage, topics)
    recovery = Recovery(stage, topics, load, vendor)
    truth = Truth(stage, topics, load, vendor, recovery)
    outcomes = []
    for fault in chosen:
        outcome = inflict_one(fault, stage, load, recovery, truth, last=fault is chosen[-1])
        outcomes.append(outcome)
        show(outcome)
        if not outcome.passed:
            # The next fault is to meet a platform that is well.
            recovery.wait(fault.component, time.time())
    outcomes.append(check_comparison(stage, topics, recovery, truth))
    return outcomes


def inflict_one(fault: Fault, stage: Stage, load: Load, recovery: Recovery, truth: Truth, last: bool) -> Outcome:
    """One row: load the platform, inflict the fault, wait for recovery and compare."""
    outcome, before = Outcome(fault.name, ""), truth.counts()
    try:
        fault.prepare(stage)
        load.begin()
        new = Differences()
        if fault.at_rest:
            new = compare_at_rest(recovery, truth, last)
        elif not fault.points:  # those strike by themselves
            load.await_first_bars()
        outcome.at = _iso(time.time())
        since = fault.inflict(stage, fault)
        if fault.at_rest:
            load.begin()
        outcome.recovered_s, lacks = recovery.wait(fault.component, since)
        outcome.waited = recovery.waited
        if lacks:
            outcome.wrong.append(f"not recovered after {LIMIT_SECONDS:.0f} s: {lacks}")
        else:
            new.add(truth.compare(last and not fault.at_rest))
            outcome.lost, outcome.doubled = sorted(new.lost), sorted(new.doubled)
            outcome.wrong += sorted(new.wrong)
            outcome.replayed = new.replayed
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


def compare_at_rest(recovery: Recovery, truth: Truth, last: bool) -> Differences:
    """Compare until that was done between two polls: whoever loses messages then knows what became of them.

    Raises:
        TimeoutError: the load does not end.
    """
    differences = Differences()
    while True:
        _, lacks = recovery.wait(None, time.time())
        if lacks:
            raise TimeoutError(f"not at rest after {LIMIT_SECONDS:.0f} s: {lacks}")
        time.sleep(MINUTE_SECONDS - time.time() % MINUTE_SECONDS + REST_SECONDS[0])
        differences.add(truth.compare(last))
        if REST_SECONDS[0] <= time.time() % MINUTE_SECONDS <= REST_SECONDS[1]:
            return differences


def check_comparison(stage: Stage, topics: Topics, recovery: Recovery, truth: Truth) -> Outcome:
    """Check the comparison itself: it names what is lost and doubled on purpose, and nothing else."""
    outcome = Outcome("lost and doubled on purpose", _iso(time.time()))
    lost, doubled = plant.plant(stage, topics)
    outcome.recovered_s, lacks = recovery.wait(None, time.time())
    named = truth.compare() if not lacks else None
    if named is None or (len(named.lost), len(named.doubled), named.wrong) != (lost, doubled, set()):
        outcome.wrong.append(f"planted {lost} lost and {doubled} doubled; the comparison named {named or lacks}")
    show(outcome)
    return outcome


def check_logs(stage: Stage) -> Outcome:
    """The last row: no log that the crashes have written holds a secret."""
    folders = [stage.stack.state / "logs", stage.stack.state / "airflow" / "logs"]
    count = sum(file.is_file() for folder in folders for file in folder.rglob("*"))
    leaked = [leak for folder in folders for leak in leaked_credentials(folder, stage.stack.credentials)]
    outcome = Outcome(f"secrets in {count:,} logs", _iso(time.time()), wrong=leaked)
    show(outcome)
    return outcome


def show(outcome: Outcome) -> None:
    console.print(" | ".join(outcome.cells()), markup=False)
    for text in (*outcome.waited, *outcome.problems[: report.SHOWN]):
        console.print(f"    {text}", markup=False, style="dim")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


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
