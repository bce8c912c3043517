"""``export``: what the log or the warehouse holds, as files that ``replay`` and the other commands read."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path
from typing import Annotated, Any

import typer

from include.surveillance import broker
from include.surveillance.broker import Kafka
from include.surveillance.cli import options
from include.surveillance.cli.options import read_kafka_client, tell
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.results import make_folder
from include.surveillance.records import Alert, Metric
from include.surveillance.studies.export import (
    OfBar,
    export_alerts,
    export_landed,
    export_log,
    export_metrics,
    read_topic,
    select_bars,
)
from include.surveillance.timespans import SPAN_MS
from include.surveillance.warehouse.login import open_warehouse
from include.surveillance.warehouse.records import read_landed


def export(
    out: options.Out,
    kafka: options.Kafka = "127.0.0.1:9092",
    warehouse: Annotated[
        bool, typer.Option("--warehouse", help="What has landed in the warehouse of the SNOWFLAKE_* variables instead.")
    ] = False,
    symbol: Annotated[list[str] | None, typer.Option(help="Only of this symbol; may be given again.")] = None,
    timespan: Annotated[str | None, typer.Option(help=f"Only of this: {', '.join(SPAN_MS)}; without, all.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Of bars that start from then on: 2026-01-30, '2026-01-30 09:30' (New York), ISO or epoch ms."
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Up to then, as --since; a date alone is meant to its end.")] = None,
) -> None:
    """Write bars, news, alerts, metrics, corporate actions and profiles of the Kafka log as files.

    bars.parquet, news.parquet, splits.parquet, dividends.parquet, ticker_changes.parquet, scheduled_events.parquet,
    profiles.jsonl, alerts.parquet, metrics.parquet. The first seven are what replay reads. News, actions and profiles
    are always all. The log keeps bars for 35 days. The warehouse keeps them for years, and of each alert its newest
    message; corporate actions and profiles are written of the log only.
    """
    if timespan is not None and timespan not in SPAN_MS:
        raise ConfigurationError(f"--timespan {timespan} is none; timespans are {', '.join(SPAN_MS)}")
    since_ms, until_ms = options.read_moment("--since", since), options.read_moment("--until", until, to_end=True)
    from_ms, to_ms = -inf if since_ms is None else since_ms, inf if until_ms is None else until_ms + 1
    keep = select_bars([it.strip().upper() for it in symbol or ()], timespan, from_ms, to_ms)
    make_folder(out)
    if warehouse:
        with open_warehouse(os.environ) as connection:
            _export_warehouse(partial(read_landed, connection, from_ms=from_ms, to_ms=to_ms), out, keep)
    else:
        _export_log(read_kafka_client(kafka), out, keep)


def _export_log(client: Kafka, out: Path, keep: Callable[[OfBar], bool]) -> None:
    files, bars = export_log(client, out, keep=keep)
    if not bars:
        raise ConfigurationError("the log has no bar of what is asked for; it keeps 35 days")
    alerts = export_alerts(read_topic(client, broker.ALERTS, Alert), out / "alerts.parquet", keep=keep)
    metrics = export_metrics(read_topic(client, broker.METRICS, Metric), out / "metrics.parquet", keep=keep)
    tell(f"{bars:,} bars, {alerts:,} messages of alerts, {metrics:,} metrics -> {out}")
    options_of_replay = f"--news {files.news} --splits {files.splits} --dividends {files.dividends}"
    tell(
        f"What detection has raised of them: replay --bars {files.bars} {options_of_replay} "
        f"--ticker-changes {files.ticker_changes} --scheduled-events {files.scheduled_events} "
        f"--profiles {files.profiles} --out FOLDER"
    )


def _export_warehouse(read: Callable[..., Any], out: Path, keep: Callable[[OfBar], bool]) -> None:
    files, bars = export_landed(read, out, keep=keep)
    if not bars:
        raise ConfigurationError("the warehouse has no bar of what is asked for")
    alerts = export_alerts(read(Alert), out / "alerts.parquet", keep=keep)
    metrics = export_metrics(read(Metric), out / "metrics.parquet", keep=keep)
    tell(f"{bars:,} bars, {alerts:,} alerts, {metrics:,} metrics -> {out}")
    tell(f"By profiles of these bars: replay --bars {files.bars} --news {files.news} --out FOLDER")
