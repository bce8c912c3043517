"""Run the benchmarks on stacks of their own and write what came out as Markdown and JSON."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.benchmarks import machine
from tests.benchmarks.platform import backfill, cosmos, live, peer, profile, report
from tests.benchmarks.platform.figures import Result
from tests.benchmarks.platform.stage import Stage, platform, read_universe
from tests.paths import MEASURED, ROOT

# The rules of twenty bars before have something to go by.
HISTORY_MINUTES = 25
STOCK_SYMBOLS, STOCK_MINUTES = 50, 1
PEER_MINUTES = 2

console = Console(highlight=False, soft_wrap=True)


class Part(StrEnum):
    symbols = "symbols-500"
    market = "market-11000"
    backfill = "backfill"
    cosmos = "cosmos"
    peer = "peer"


def main(
    only: Annotated[list[Part] | None, typer.Option(help="Run these alone; repeatable.")] = None,
    minutes: Annotated[int, typer.Option(min=1, help="Measured minutes of symbols-500 and market-11000.")] = 10,
    symbols: Annotated[int, typer.Option(help="Symbols of symbols-500, cosmos and peer.")] = 500,
    market: Annotated[int, typer.Option(help="Symbols of market-11000.")] = 11_000,
    desks: Annotated[int, typer.Option(min=0, help="After market-11000, measure it again with desks open.")] = 0,
    sessions: Annotated[int, typer.Option(min=2, help="Sessions of backfill.")] = backfill.SESSIONS,
    data: Annotated[Path, typer.Option(envvar="SHARED_DATA", help="Folder with universe_us.csv.")] = (
        ROOT.parent / "shared" / "data"
    ),
    out: Annotated[Path | None, typer.Option(help="Folder for platform.md and platform.json.")] = None,
) -> None:
    """The platform on two cores, the simulated vendor answering in 20 to 80 ms; exit code 1 when a target is missed.

    Without --out, only a run of all parts is written, to docs/measured/benchmarks. Each part stands beside its run
    before; parts that are not run stay as they were.
    """
    parts, about, begun = set(only or Part), machine.facts() | {"commit": _commit()}, time.monotonic()
    folder = out or (MEASURED / "benchmarks" if parts == set(Part) else None)
    universe = read_universe(data / "universe_us.csv", max(symbols, market))
    bench = Bench(parts, minutes, folder, desks)
    bench.run_parts(lambda: bench.watchlist(universe[:symbols]), Part.symbols, Part.peer, Part.cosmos)
    bench.run_parts(lambda: bench.stock(universe[:STOCK_SYMBOLS]), live.STOCK)
    bench.run_parts(lambda: bench.backfill(sessions), Part.backfill)
    both = (Part.market, *([live.name_with_desks(Part.market, desks)] if desks else ()))
    bench.run_parts(lambda: bench.market(universe[:market]), *both)
    results = bench.results
    for result in results:
        result.measured = f"{about['date']}, commit {about['commit']}"
    if folder:
        results = report.merge(results, report.read(folder / "platform.json"))
    about["minutes"] = round((time.monotonic() - begun) / 60, 1)
    command = shlex.join(["python", "-m", "tests.benchmarks.platform", *sys.argv[1:]])
    text = report.markdown(results, about, command)
    console.print(text, markup=False)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "platform.md").write_text(text)
        everything = {"command": command, "about": about, "results": [report.as_dict(result) for result in results]}
        for file in folder.glob("profile-*"):
            if file.name not in text:
                file.unlink()
        (folder / "platform.json").write_text(json.dumps(everything, indent=2) + "\n")
    raise typer.Exit(0 if bench.results and all(result.held for result in bench.results) else 1)


class Bench:
    """The parts that are wanted, on one stack after the other, and their results."""

    def __init__(self, parts: set[Part], minutes: int, folder: Path | None, desks: int):
        self.parts, self.minutes, self.folder, self.desks = parts, minutes, folder, desks
        self.results: list[Result] = []
        self._polled: live.Live | None = None

    def run_parts(self, work: Callable[[], None], *names: str) -> None:
        """Run ``work`` if it gives one of the wanted results ``names``. What cannot be measured is a result too."""
        wanted = [name for name in names if name.split(",")[0] in self.parts]
        if not wanted:
            return
        begun = time.monotonic()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever ends a part, the others are still measured
            console.print_exception()
            measured = {result.name for result in self.results}
            self.results += [
                report.unmeasured(name, f"{type(error).__name__}: {error}") for name in wanted if name not in measured
            ]
        minutes = (time.monotonic() - begun) / 60
        console.print(f"{', '.join(wanted)}: {minutes:.1f} minutes, start and stop of the stack included", markup=False)

    def watchlist(self, symbols: list[str]) -> None:
        with platform(console, symbols, POLL_BY="symbols") as stage:
            stage.publish_history(HISTORY_MINUTES)
            if Part.symbols in self.parts:
                self._measure(stage, self._symbols, polling)
            elif Part.peer in self.parts:
                stage.airflow.unpause("ingest_market_data")
            if Part.peer in self.parts:
                self._measure(stage, lambda stage: peer.peer(stage, PEER_MINUTES))
            if Part.cosmos in self.parts:
                self._measure(stage, cosmos.cosmos, lambda: cosmos.graph(stage))

    def stock(self, symbols: list[str]) -> None:
        with platform(console, symbols, stock=True, POLL_BY="symbols") as stage:
            self._measure(stage, lambda stage: live.stock(stage, STOCK_MINUTES, self._polled))

    def backfill(self, sessions: int) -> None:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            recording = Path(folder, "sessions.parquet")
            symbols, every = backfill.record(recording, sessions), str(backfill.LAND_EVERY_SECONDS)
            with platform(console, symbols, replay=recording, LAND_EVERY_SECONDS=every) as stage:
                further = partial(backfill.backfill_further, stage, sessions)
                self._measure(stage, lambda stage: backfill.backfill(stage, sessions), further)

    def market(self, symbols: list[str]) -> None:
        with platform(console, symbols, POLL_BY="market", POLL_TIMESPANS="minute") as stage:
            stage.publish_history(HISTORY_MINUTES)
            self._measure(stage, self._market, polling)
            if self.desks:
                alone = self.results[-1]
                beside = partial(live.market_with_desks, minutes=self.minutes, count=self.desks, alone=alone)
                self._measure(stage, beside, polling)

    def _symbols(self, stage: Stage) -> Result:
        result, self._polled = live.symbols_500(stage, self.minutes)
        return result

    def _market(self, stage: Stage) -> Result:
        return live.market_11000(stage, self.minutes)

    def _measure(self, stage: Stage, work: Callable[[Stage], Result], load: Callable[[], object] | None = None) -> None:
        """``load`` is what goes on while a missed target is profiled; without it nothing is."""
        begun = time.monotonic()
        result = work(stage)
        result.seconds = time.monotonic() - begun
        self.results.append(result)
        if self.folder and load:
            profile.attach(stage, result, self.folder, load)
        stage.say(f"{result.name}: {(time.monotonic() - begun) / 60:.1f} minutes, profile included")
        console.print(report.section(result), markup=False)


def polling() -> None:
    """Goes on by itself."""


def _commit() -> str:
    """Short id of what runs; ``+`` when files differ from it."""
    ask = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    run = subprocess.run(ask, capture_output=True, text=True)
    return run.stdout.strip() or "unknown"


typer.run(main)
