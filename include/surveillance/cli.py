"""The command line: ``python -m include.surveillance``. Needs no Airflow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from . import broker, wire
from .alerts import line
from .broker import Position, Received
from .detection.parameters import Parameters
from .detection.replay import Replay
from .detection.replay import replay as replay_files
from .errors import SurveillanceError
from .models import Alert
from .sessions import Sessions

app = typer.Typer(help="Market surveillance from the shell.", no_args_is_help=True, pretty_exceptions_enable=False)
console = Console()
POLL_SECONDS = 1.0


class HistoryForm(StrEnum):
    exact = "exact"
    sketch = "sketch"


@app.command()
def replay(
    bars: Annotated[Path, typer.Option(help="Parquet or CSV of bars.")],
    out: Annotated[Path, typer.Option(help="Folder for alerts, metrics and rejected rows.")],
    news: Annotated[Path | None, typer.Option(help="Parquet or CSV of news.")] = None,
    splits: Annotated[Path | None, typer.Option(help="Parquet or CSV of splits, as Polygon gives them.")] = None,
    history: Annotated[HistoryForm, typer.Option(help="How percentiles remember: every value, or a sketch.")] = (
        HistoryForm.exact
    ),
    session_reset: Annotated[bool, typer.Option(help="Restart windows each New York date.")] = False,
    calendar: Annotated[str, typer.Option(help="A calendar of exchange_calendars.")] = "XNYS",
) -> None:
    """Run the rules over recorded bars."""
    with _one_line_errors(), Progress(console=console, transient=True) as progress:
        task = progress.add_task("detect", total=None)
        result = replay_files(
            bars,
            out,
            sessions=Sessions(calendar),
            parameters=Parameters(session_reset=session_reset),
            history=history.value,
            news=news,
            splits=splits,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(_summary(result, out))


@app.command()
def tail(
    kafka: Annotated[str, typer.Option(help="host:port of a Kafka broker.")] = "127.0.0.1:9092",
    last: Annotated[int, typer.Option(help="Alerts of the past to print first.")] = 10,
    follow: Annotated[bool, typer.Option(help="Go on printing as alerts come.")] = True,
    partitions: Annotated[int, typer.Option(envvar="KAFKA_PARTITIONS", help="Partitions of the topic.")] = 4,
) -> None:
    """Print alerts from Kafka, one readable line each."""
    positions: dict[Position, int | None] = {(broker.ALERTS, partition): None for partition in range(partitions)}
    with _one_line_errors():
        past: list[Received] = []
        while (batch := broker.read({"bootstrap.servers": kafka}, positions)).messages:
            past = [*past, *batch.messages][-last:] if last else []
            positions = dict(batch.next_offsets)
        _print(past)
        while follow:
            batch = broker.read({"bootstrap.servers": kafka}, positions)
            positions = dict(batch.next_offsets)
            _print(batch.messages)
            time.sleep(POLL_SECONDS)


def _print(messages: list[Received]) -> None:
    for message in sorted(messages, key=lambda message: message.timestamp_ms):
        record = wire.decode(message.value)
        if isinstance(record, Alert):
            typer.echo(line(record))


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except SurveillanceError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def _summary(result: Replay, out: Path) -> Table:
    bars = result.counts["bars"]
    table = Table(title=f"{bars:,} bars -> {out}", title_justify="left")
    for column in ("rule", "firing bars", "episodes"):
        table.add_column(column, justify="left" if column == "rule" else "right")
    for rule in sorted(result.firings):
        table.add_row(rule, f"{result.firings[rule]:,}", f"{result.episodes[rule]:,}")
    table.add_section()
    for kind in ("duplicate", "corrected", "late", "stale"):
        table.add_row(f"{kind} bars", f"{result.counts[kind]:,}", "")
    for reason, count in sorted(result.rejected.items()):
        table.add_row(f"rejected: {reason}", f"{count:,}", "")
    return table
