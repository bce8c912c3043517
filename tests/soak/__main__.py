"""Run the stack for hours, sample it, maintain it in compressed time, write what came out."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import psycopg2
import redis
import snowflake.connector
import typer
from rich.console import Console

from include.local_stack.clients import Clients
from include.surveillance.errors import SurveillanceError
from tests.benchmarks import machine
from tests.paths import MEASURED
from tests.soak import ground, report
from tests.soak.sample import Sampler, wait_for_followers

MAINTAIN_SECONDS = 360
# 18 minutes: longer than any run of this platform takes, short enough to be at its full length within half an hour.
KEEP_DAYS = 0.0125
REPORTED_HOURS = 1.0
MISSED = (
    *(SurveillanceError, subprocess.TimeoutExpired, httpx.HTTPError, psutil.Error),
    *(psycopg2.Error, redis.RedisError, snowflake.connector.Error),
)

console = Console(highlight=False, soft_wrap=True)


def main(
    hours: Annotated[float, typer.Option(help="How long, after the stack has come up.")] = REPORTED_HOURS,
    every: Annotated[float, typer.Option(min=1, help="Seconds between samples.")] = 30,
    marts: Annotated[bool, typer.Option(help="Let build_marts run too.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for soak.md and soak.json.")] = None,
) -> None:
    """Memory, descriptors, threads, tables, disks and lag over hours; the exit code is 1 when something grows.

    Ctrl-C ends it early. Without --out, only an hour or more is written, to docs/measured/soak.
    """
    about, soak = machine.facts(), report.Soak()
    with ground.live_platform(console, marts) as demo:
        sampler = Sampler(demo)
        try:
            watch(demo, sampler, soak, hours, every)
        except KeyboardInterrupt:
            console.print("interrupted: summing up")
        rest(demo, sampler, soak)
    command = shlex.join(["python", "-m", "tests.soak", *sys.argv[1:]])
    text = report.markdown(soak, about, command)
    console.print(text, markup=False)
    if out or (soak.hours and soak.hours[-1] >= REPORTED_HOURS):
        folder = out or MEASURED / "soak"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "soak.md").write_text(text)
        (folder / "soak.json").write_text(json.dumps(report.as_dict(soak, about, command)) + "\n")
    raise typer.Exit(int(soak.fails()))


def watch(clients: Clients, sampler: Sampler, soak: report.Soak, hours: float, every: float) -> None:
    """Sample and maintain for so many hours; what goes wrong is noted, and it goes on."""
    begun = time.monotonic()
    next_maintenance = begun + MAINTAIN_SECONDS
    while (passed := time.monotonic() - begun) < hours * 3600:
        # To the next full step, however long the last one took.
        time.sleep(every - passed % every)
        maintained = False
        if time.monotonic() >= next_maintenance:
            next_maintenance += MAINTAIN_SECONDS
            maintained = maintain(clients, soak)
        record_sample(sampler, soak, begun, maintained)


def maintain(clients: Clients, soak: report.Soak) -> bool:
    try:
        clients.airflow.run("maintain_platform", 300)
        prune = [sys.executable, "-m", "tests.soak.prune", str(KEEP_DAYS)]
        done = subprocess.run(prune, env=clients.environment, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise SurveillanceError(done.stderr[-500:])
    except MISSED as error:
        soak.troubles.append(f"maintenance: {error}")
        return False
    return True


def record_sample(sampler: Sampler, soak: report.Soak, begun: float, maintained: bool) -> None:
    pids = dict(sampler.pids)
    hours = (time.monotonic() - begun) / 3600
    try:
        sample = sampler.sample()
    except MISSED as error:
        soak.troubles.append(f"after {hours:.2f} h: no sample: {error}")
        return
    soak.hours.append(hours)
    soak.maintained.append(maintained)
    soak.samples.append(sample)
    if pids and sampler.pids != pids:
        changed = sorted({name for name, _ in pids.items() ^ sampler.pids.items()})
        soak.troubles.append(f"after {hours:.2f} h: started again or gone: {', '.join(changed)}")
    lag = {name: value for name, value in sample.items() if name.startswith("lag.") and value}
    memory = sum(value for name, value in sample.items() if name.startswith("memory."))
    console.print(f"{hours:6.2f} h  {memory:7.0f} MB  lag {lag or 0}{'  maintained' if maintained else ''}")


def rest(clients: Clients, sampler: Sampler, soak: report.Soak) -> None:
    """Stop polling, let the rest through, and take a last sample."""
    if not soak.samples:
        return
    begun = time.monotonic() - soak.hours[-1] * 3600
    try:
        clients.airflow.pause("ingest_market_data")
        if not wait_for_followers(sampler, 300):
            soak.troubles.append("detection or notification has not caught up within 300 s after the end of polling")
        soak.vacuums = sampler.vacuums()
    except MISSED as error:
        soak.troubles.append(f"at the end: {error}")
    record_sample(sampler, soak, begun, maintained=False)


typer.run(main)
