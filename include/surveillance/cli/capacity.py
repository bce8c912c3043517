"""``capacity``: what a watchlist takes, and what ten and a hundred times as many symbols would."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from include.surveillance.cli.options import console, new_table, tell
from include.surveillance.settings import PollBy
from include.surveillance.studies.capacity import Load, advise, plan_load

TIMES = (1, 10, 100)
ROWS = {
    "polled by": lambda plan: plan.mode,
    "vendor's calls a minute": lambda plan: f"{plan.calls_per_minute:,.0f}",
    "poll tasks a minute": lambda plan: f"{plan.tasks_per_minute:,.0f}",
    "CPU share of the cores": lambda plan: f"{plan.cpu_share:.0%}",
    "cores for a share of 60 %": lambda plan: f"{plan.cores_needed:,}",
    "partitions": lambda plan: f"{plan.partitions_needed:,}",
    "worker-detect": lambda plan: f"{plan.detect_workers_needed:,}",
    "messages a day": lambda plan: f"{plan.messages_per_day:,.0f}",
    "Kafka, GB a day before compression": lambda plan: f"{plan.kafka_gb_per_day:,.1f}",
    "snapshots of the state, MB": lambda plan: f"{plan.snapshot_mb:,.0f}",
    "metadata rows a day": lambda plan: f"{plan.metadata_rows_per_day:,.0f}",
    "metadata, GB a day until pruned": lambda plan: f"{plan.metadata_gb_per_day:,.2f}",
    "task logs, GB a day until pruned": lambda plan: f"{plan.log_gb_per_day:,.2f}",
}


def capacity(
    symbols: Annotated[int, typer.Option(help="Symbols on the watchlist.")] = 500,
    cores: Annotated[int, typer.Option(help="Processors of all machines together.")] = 2,
    by: Annotated[Literal["auto", PollBy], typer.Option(help="What one poll task asks for.")] = "auto",
    timespans: Annotated[int, typer.Option(help="1: minute bars only; 4: 5-minute, hour and day bars too.")] = 4,
) -> None:
    """Say what the watchlist takes, and ten and a hundred times as many symbols, and what to add in which order."""
    mode = None if by == "auto" else by
    loads = [Load(symbols * times, cores, mode, timespans=timespans) for times in TIMES]
    plans = [plan_load(load) for load in loads]
    table = new_table(f"On {cores} cores", [""], [f"{load.symbols:,} symbols" for load in loads])
    for name, value in ROWS.items():
        table.add_row(name, *map(value, plans))
    console.print(table)
    for load, plan in zip(loads, plans, strict=True):
        tell(f"\n{load.symbols:,} symbols:")
        for number, step in enumerate(advise(load, plan), 1):
            tell(f"  {number}. {step}")
