"""``evaluate``: alerts against labels."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table

from include.surveillance.cli import options
from include.surveillance.cli.options import console, one_line_errors
from include.surveillance.files.bars import read_bars
from include.surveillance.files.side_files import read_alerts, read_labels
from include.surveillance.sessions import Sessions
from include.surveillance.studies.evaluation import evaluate, symbol_days_of, symbol_days_spanned
from include.surveillance.studies.recorded import tell


def evaluate_command(
    alerts: Annotated[Path, typer.Option(help="Parquet or CSV of alerts, as replay writes them.")],
    labels: Annotated[Path, typer.Option(help="Parquet or CSV of symbol, start_ms, end_ms, kind (a rule's name).")],
    bars: Annotated[
        Path | None, typer.Option(help="The bars behind the alerts: says how many days there were.")
    ] = None,
    calendar: options.Calendar = "XNYS",
) -> None:
    """Hold alerts against labels: recall, precision, alerts per symbol and day, delay, per rule."""
    with one_line_errors():
        found, unusable_alerts = read_alerts(alerts)
        labelled, unusable_labels = read_labels(labels)
        tell(alerts, unusable_alerts)
        tell(labels, unusable_labels)
        days = symbol_days_spanned(found, labelled)
        if bars:
            file = read_bars(bars)
            tell(bars, file.rejects)
            days = symbol_days_of(file.bars, Sessions(calendar))
        result = evaluate(found, labelled, days)
    console.print(_table(result))
    console.print(f"{days.count:,} symbol-days, from {days.source}.", highlight=False, soft_wrap=True)
    for kind in sorted({*labelled["kind"]} - {*found["rule"]}):
        console.print(
            f"No alert is of kind {kind!r}: it must be a rule's name.", highlight=False, markup=False, soft_wrap=True
        )


def _table(result: pd.DataFrame) -> Table:
    numbers = ["labels", "found", "recall", "alerts", "precision (95 %)", "per symbol-day", "delay, median", "p95"]
    table = options.table("alerts against labels", ["rule"], numbers)
    for row in result.itertuples():
        interval = (
            "" if isnan(row.precision) else f"{row.precision:.1%} ({row.precision_low:.1%}-{row.precision_high:.1%})"
        )
        table.add_row(
            *(row.rule, f"{row.labels:,}", f"{row.found:,}", _share(row.recall), f"{row.alerts:,}", interval),
            *(_number(row.alerts_per_symbol_day), _minutes(row.delay_median), _minutes(row.delay_p95)),
        )
    return table


def _share(value: float) -> str:
    return "" if isnan(value) else f"{value:.1%}"


def _number(value: float) -> str:
    return "" if isnan(value) else f"{value:.3g}"


def _minutes(value: float) -> str:
    return "" if isnan(value) else f"{value:.3g} min"
