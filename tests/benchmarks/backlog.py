"""A backlog worked off: ``python -m tests.benchmarks.backlog`` (``make backlog``).

Minute bars are published on one partition of a Kafka broker of its own, as after hours of outage. Then processes, each
doing what one task of the platform does, detect and land until nothing is left. Measured: what each took, and the most
memory it held (its resident set's peak).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import snowflake.connector
import typer

from include.local_stack import kafka as kafka_broker
from include.surveillance import broker
from include.surveillance.records import Bar
from include.surveillance.warehouse import schema
from tests.benchmarks import machine
from tests.benchmarks.market import Market
from tests.conftest import JARS, ROOT, free_port, service
from tests.embedded_warehouse.launcher import Launcher
from tests.paths import MEASURED

SYMBOLS = 200
LIMIT_MB = 1024
TASKS = {
    "detect": "detect_partition(kafka, 0, sessions=Sessions()).records",
    "land": "sum(landed(kafka, topic) for topic in KINDS)",
}
TASK = """
import json, os, resource, time
from contextlib import closing
import snowflake.connector
from include.surveillance.warehouse.landing import land
from include.surveillance.warehouse.rows import KINDS
from tests.integration.detecting import detect_partition
from include.surveillance.sessions import Sessions

def landed(kafka, topic):
    with closing(snowflake.connector.connect(**json.loads(os.environ["WAREHOUSE"]))) as connection:
        return land(connection, kafka, topic).rows

kafka, begun = json.loads(os.environ["KAFKA"]), time.monotonic()
done = {task}
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"done": done, "seconds": time.monotonic() - begun, "peak_mb": peak_mb}}))
"""


def main(
    bars: Annotated[int, typer.Option(help="How many bars have piled up.")] = 2_000_000,
    out: Annotated[Path, typer.Option(help="Folder for backlog.md and backlog.json.")] = MEASURED / "benchmarks",
) -> None:
    """The exit code is 1 when a task held more than 1 GiB, or not every bar was measured and landed."""
    about = machine.facts()
    with tempfile.TemporaryDirectory(prefix="backlog-") as name:
        tasks = measure(Path(name), bars)
    text = markdown(tasks, about, bars)
    typer.echo(text)
    out.mkdir(parents=True, exist_ok=True)
    (out / "backlog.md").write_text(text)
    (out / "backlog.json").write_text(json.dumps({"machine": about, "bars": bars, "tasks": tasks}, indent=2) + "\n")
    # Every bar has a row and a metric's row; alerts come on top.
    whole = total(tasks, "detect", "done") == bars and total(tasks, "land", "done") >= 2 * bars
    raise typer.Exit(0 if whole and all(task["peak_mb"] <= LIMIT_MB for task in tasks) else 1)


def measure(folder: Path, bars: int) -> list[dict[str, Any]]:
    """Publish the bars and run tasks until nothing is left; returns one entry per task."""
    kafka_broker.ensure_jars(JARS)
    port = free_port()
    kafka, home = {"bootstrap.servers": f"127.0.0.1:{port}"}, folder / "kafka"
    kafka_broker.prepare(home, JARS, port, free_port())
    ready = f"127.0.0.1:{port}"
    with service(kafka_broker.command(home, JARS), lambda: kafka_broker.answers(ready), folder / "kafka.log"):
        broker.ensure_topics(kafka, 1)
        for chunk in chunks(bars):
            broker.publish(kafka, chunk)
        launcher = Launcher(folder).start()
        try:
            os.environ["REQUESTS_CA_BUNDLE"] = str(launcher.bundle)
            access = {"user": "u", "password": "p", "account": "a", "host": "127.0.0.1", "port": launcher.port}
            environment = {
                "KAFKA": json.dumps(kafka),
                "WAREHOUSE": json.dumps(access | {"database": "MARKET", "schema": "RAW"}),
            }
            create_tables(environment)
            return [task for name in TASKS for task in run_until_done(name, environment)]
        finally:
            launcher.stop()


def chunks(bars: int) -> Iterator[list[Bar]]:
    """Yield bars of a generated market in order of time, some 50,000 at once."""
    for columns in Market(SYMBOLS).chunks(bars, 50_000):
        values = (columns.code, columns.ts, columns.open, columns.high, columns.low, columns.close, columns.volume)
        yield [
            Bar(
                symbol=columns.keys[code][0],
                timespan="minute",
                ts_ms=ts,
                open=opened,
                high=high,
                low=low,
                close=close,
                volume=Decimal(int(volume)),
                polled_ms=ts + 62_000,
            )
            for code, ts, opened, high, low, close, volume in zip(*(it.tolist() for it in values), strict=True)
        ]


def create_tables(environment: dict[str, str]) -> None:
    with snowflake.connector.connect(**json.loads(environment["WAREHOUSE"])) as connection:
        schema.migrate_raw(connection)


def run_until_done(name: str, environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Run one task after the other, each a process of its own, until one has nothing to do."""
    command = [sys.executable, "-c", TASK.format(task=TASKS[name])]
    while True:
        run = subprocess.run(
            command, env=os.environ | environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        task = {"task": name} | json.loads(run.stdout.splitlines()[-1])
        typer.echo(task, err=True)
        if not task["done"]:
            return
        yield task


def total(tasks: list[dict[str, Any]], name: str, what: str) -> float:
    return sum(task[what] for task in tasks if task["task"] == name)


def markdown(tasks: list[dict[str, Any]], about: dict[str, object], bars: int) -> str:
    lines = [
        "# A backlog worked off",
        "",
        f"{about['date']}, {about['cpu']}, {about['cores']} cores, {about['memory']}, load {about['load_at_start']}.",
        f"`make backlog`: {bars:,} minute bars of {SYMBOLS} symbols on one partition.",
        "",
        "| stage | tasks | records | s | records/s | most memory of a task |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in TASKS:
        mine = [task for task in tasks if task["task"] == name]
        done, seconds = total(tasks, name, "done"), total(tasks, name, "seconds")
        peak = max((task["peak_mb"] for task in mine), default=0)
        rate = done / seconds if seconds else 0
        lines.append(f"| {name} | {len(mine)} | {done:,.0f} | {seconds:.0f} | {rate:,.0f} | {peak:.0f} MB |")
    return "\n".join([*lines, "", f"A task may hold {LIMIT_MB} MB.", ""])


if __name__ == "__main__":
    typer.run(main)
