"""Faults of the real stack, and what the watchdog tells of each: one message when it begins, one when it is over."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console

from include.local_stack.stack import clean
from include.surveillance.errors import SurveillanceError
from include.watchdog.causes import RECOVERY_SECONDS
from tests.benchmarks import machine
from tests.faults.infliction import suspend
from tests.faults.stage import Stage
from tests.paths import MEASURED
from tests.sinks import HttpSink

# What is promised.
TOLD_SECONDS = 120.0
OVER_SECONDS = 900.0
# After the stack is up, and between two faults: nothing is to be told. So long after a fault old data count as its
# consequence.
QUIET_SECONDS = RECOVERY_SECONDS
SMALL_DISK_BYTES = 8 * 2**20

Undo = Callable[[], None]
console = Console(highlight=False, soft_wrap=True)


@dataclass
class Row:
    """One fault: when people were told, and of what."""

    fault: str
    cause: str
    told_s: float | None = None
    over_s: float | None = None
    texts: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    pings: int = 0


class Harness:
    """The stack, and the two places outside of it: who is told, and who is pinged."""

    def __init__(self, disk: Path):
        self.told, self.pinged, self.disk = HttpSink(), HttpSink(), disk
        for server in (self.told, self.pinged):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        self.stage = Stage(
            console,
            WATCHDOG_WEBHOOK_URL=f"{self.told.url}/platform",
            DEADMAN_URL=f"{self.pinged.url}/ping",
            WATCHDOG_FOLDERS=str(disk),
        )

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [request.json for request in self.told.taken]

    def stand_still(self, component: str) -> Undo:
        """The component lives and does nothing; the watchdog has it started anew."""
        frozen: list[psutil.Process] = []
        suspend(self.stage, component, frozen)

        def resume() -> None:
            for process in frozen:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

        return resume

    def stop(self, component: str) -> Undo:
        """The component is gone until somebody starts it."""
        rpc = self.stage.stack.supervisor.rpc
        rpc.stopProcess(component, True)
        return lambda: self.stage.stack.supervisor.launch(component)

    def fill_disk(self, _: str) -> Undo:
        """No byte more fits on the small disk."""
        ballast = self.disk / "ballast"
        with ballast.open("wb") as file, suppress(OSError):
            while True:
                file.write(bytes(64 * 1024))
                file.flush()
        return ballast.unlink

    def inflict(self, row: Row, act: Callable[[str], Undo], target: str, *, heals: bool) -> None:
        """Inflict a fault, wait until people were told, undo it unless the watchdog does, wait until it is over."""
        before, pings = len(self.told.taken), len(self.pinged.taken)
        begun = time.time()
        undo = act(target)
        try:
            row.told_s = self._await(before + 1, begun, TOLD_SECONDS * 2)
            row.pings = len(self.pinged.taken) - pings
        finally:
            if not heals:
                undo()
        ended = time.time()
        row.over_s = self._await(before + 2, ended, OVER_SECONDS)
        if heals:
            undo()
        time.sleep(QUIET_SECONDS)
        new = self.messages[before:]
        row.texts = [message["text"].replace(str(self.disk), "SMALL_DISK") for message in new]
        expected = [(row.cause, "watchdog_began"), (row.cause, "watchdog_over")]
        if (events := [(message["cause"], message["event"]) for message in new]) != expected:
            row.wrong.append(f"people were told {events}")
        if row.told_s is None or row.told_s > TOLD_SECONDS:
            row.wrong.append(f"told after {row.told_s} s")

    def stay_calm(self, minutes: float) -> Row:
        """Nothing happens, nobody is told, and each minute has its ping."""
        row, before, pings = Row(f"{minutes:g} minutes without a fault", "", 0.0, 0.0), len(self.told.taken), 0
        pings, begun, used = len(self.pinged.taken), time.time(), self._cpu_seconds()
        time.sleep(minutes * 60)
        row.pings = len(self.pinged.taken) - pings
        row.texts = [message["text"] for message in self.messages[before:]]
        cost = 100 * (self._cpu_seconds() - used) / (time.time() - begun)
        memory = self._watchdog().memory_info().rss / 2**20
        row.fault += f"; the watchdog took {cost:.2f} % of a core and {memory:.0f} MiB"
        if row.texts:
            row.wrong.append("people were told of something")
        if row.pings < minutes - 1:
            row.wrong.append(f"{row.pings} pings")
        return row

    def _await(self, count: int, since: float, limit: float) -> float | None:
        while time.time() - since < limit:
            if len(self.told.taken) >= count:
                return round(time.time() - since, 1)
            time.sleep(0.5)
        return None

    def _watchdog(self) -> psutil.Process:
        return psutil.Process(self.stage.stack.supervisor.info("watchdog")["pid"])

    def _cpu_seconds(self) -> float:
        times = self._watchdog().cpu_times()
        return times.user + times.system


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of eight megabytes.

    Raises:
        SurveillanceError: it cannot be mounted here.
    """
    with tempfile.TemporaryDirectory(prefix="watchdog-disk-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES},mode=0700", "watchdog", name]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode:
            raise SurveillanceError(f"a small disk cannot be mounted ({done.stderr.strip()}); run this as root")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=False)


def main(
    calm: Annotated[float, typer.Option(help="Minutes without a fault, before the first.")] = 5.0,
    only: Annotated[str, typer.Option(help="Only faults whose name matches this regular expression.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the report, default docs/measured/watchdog.")] = None,
) -> None:
    """One fault after the other on the whole local stack; the exit code is 1 when people were not told as promised."""
    about = machine.facts()
    with small_disk() as disk:
        harness = Harness(disk)
        rows: list[Row] = []

        def show(row: Row) -> None:
            rows.append(row)
            console.print(f"{row.fault}: told {row.told_s}, over {row.over_s}, {row.texts} {row.wrong}", markup=False)

        faults: list[tuple[Row, Callable[[str], Undo], str, bool]] = [
            (Row("the scheduler stands still", "scheduler"), harness.stand_still, "scheduler", True),
            (Row("the triggerer stands still", "triggerer"), harness.stand_still, "triggerer", True),
            (Row("a worker stands still", "worker-detect"), harness.stand_still, "worker-detect", True),
            (Row("PostgreSQL is gone", "postgres"), harness.stop, "postgres", False),
            (Row("Redis stands still", "redis"), harness.stand_still, "redis", False),
            (Row("Kafka is gone", "kafka"), harness.stop, "kafka", False),
            (Row("a disk is full", f"disk-full {disk}"), harness.fill_disk, "", False),
            (Row("the vendor does not answer", "feed"), harness.stop, "simulator", False),
        ]
        with harness.stage.stack:
            harness.stage.bring_up()
            time.sleep(QUIET_SECONDS)
            if harness.messages:
                raise SurveillanceError(f"people were told while all was well: {harness.messages}")
            if calm:
                show(harness.stay_calm(calm))
            for row, act, target, heals in faults:
                if re.search(only, row.fault):
                    harness.inflict(row, act, target, heals=heals)
                    show(row)
    folder = out or MEASURED / "watchdog"
    folder.mkdir(parents=True, exist_ok=True)
    shown = [*keep_others(folder / "watchdog.json", rows), *rows] if only else rows
    (folder / "watchdog.md").write_text(write_report(shown, about))
    results = {"machine": about, "rows": [asdict(row) for row in shown]}
    (folder / "watchdog.json").write_text(json.dumps(results, indent=2) + "\n")
    if any(row.wrong for row in rows):
        console.print(f"logs and data of the run are in {harness.stage.stack.state}")
        raise typer.Exit(1)
    clean(harness.stage.stack.state)


def keep_others(file: Path, rows: list[Row]) -> list[Row]:
    """Read the rows of the run before that were not run again."""
    again = {row.fault for row in rows}
    before = json.loads(file.read_text())["rows"] if file.exists() else []
    return [Row(**row) for row in before if row["fault"] not in again]


def write_report(rows: list[Row], about: dict[str, object]) -> str:
    """Write what happened as a page."""
    head = ["fault", "people were told", "over was told", "messages", "verdict"]
    text = (
        f"`make watch-rehearsal` on {datetime.now(UTC):%Y-%m-%d}, {about['cores']} cores, {about['cpu']}, load "
        f"{about['load_at_start']} at the start. Over counts from the end of the fault, or, where the watchdog itself "
        "starts the component anew, from when people were told. What was not inflicted again is of a run before."
    )
    lines = ["# What the watchdog tells", "", text, "", f"| {' | '.join(head)} |", "|---|---:|---:|---|---|"]
    for row in rows:
        told, over = (f"{it} s" if it else "" for it in (row.told_s, row.over_s))
        texts = "<br>".join(text.replace("|", "\\|") for text in row.texts) or "none"
        lines.append(f"| {row.fault} | {told} | {over} | {texts} | {'; '.join(row.wrong) or 'as promised'} |")
    return "\n".join(lines) + "\n"


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        typer.run(main)
    except SurveillanceError as error:
        sys.exit(str(error))
