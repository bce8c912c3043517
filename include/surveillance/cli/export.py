"""``export``: what the log holds, as files that ``replay`` and the other commands read."""

from __future__ import annotations

from math import inf
from typing import Annotated

import typer

from include.surveillance.cli import options
from include.surveillance.cli.options import read_kafka_client, tell
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.results import make_folder
from include.surveillance.studies.export import export_alerts, export_log, export_metrics, select_bars
from include.surveillance.timespans import SPAN_MS


def export(
    out: options.Out,
    kafka: options.Kafka = "127.0.0.1:9092",
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

    bars.parquet, news.parquet, splits.parquet, dividends.parquet, ticker_changes.parquet, profiles.jsonl,
    alerts.parquet, metrics.parquet. The first six are what replay reads. News, actions and profiles are always all.
    """
    if timespan is not None and timespan not in SPAN_MS:
        raise ConfigurationError(f"--timespan {timespan} is none; timespans are {', '.join(SPAN_MS)}")
    since_ms, until_ms = options.read_moment("--since", since), options.read_moment("--until", until, to_end=True)
    from_ms, to_ms = -inf if since_ms is None else since_ms, inf if until_ms is None else until_ms + 1
    keep = select_bars([it.strip().upper() for it in symbol or ()], timespan, from_ms, to_ms)
    client = read_kafka_client(kafka)
    make_folder(out)
    files, bars = export_log(client, out, keep=keep)
    if not bars:
        raise ConfigurationError("the log has no bar of what is asked for; it keeps 35 days")
    alerts = export_alerts(client, out / "alerts.parquet", keep=keep)
    metrics = export_metrics(client, out / "metrics.parquet", keep=keep)
    tell(f"{bars:,} bars, {alerts:,} messages of alerts, {metrics:,} metrics -> {out}")
    options_of_replay = f"--news {files.news} --splits {files.splits} --dividends {files.dividends}"
    tell(
        f"What detection has raised of them: replay --bars {files.bars} {options_of_replay} "
        f"--ticker-changes {files.ticker_changes} --profiles {files.profiles} --out FOLDER"
    )
