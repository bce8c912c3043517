"""``evaluate``: alerts against labels."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table

from include.surveillance.alerts import market_events
from include.surveillance.cli import options
from include.surveillance.cli.options import console, new_table, tell
from include.surveillance.detection.rules.registry import RULES
from include.surveillance.files.bar_rows import Reading
from include.surveillance.files.side_files import read_alerts, read_labels
from include.surveillance.sessions import Sessions
from include.surveillance.studies import evaluation
from include.surveillance.studies.recorded import RecordedFiles, read_recording, tell_rejects


@options.asks_how_to_read
def evaluate(
    alerts: Annotated[Path, typer.Option(help="Parquet or CSV of alerts, as replay writes them.")],
    labels: Annotated[
        Path,
        typer.Option(
            help="Parquet or CSV of symbol, start, end, kind (a rule's name). Times: ISO 8601 or dates, New York's "
            "unless they have an offset, or epoch s, ms, us, ns (also as start_ms, end_ms)."
        ),
    ],
    bars: Annotated[
        Path | None, typer.Option(help="The bars behind the alerts: says how many days there were.")
    ] = None,
    calendar: options.Calendar = "XNYS",
    *,
    reading: Reading,
) -> None:
    """Hold alerts against labels: recall, precision, alerts per symbol and day, delay, per rule."""
    raised, unusable_alerts = read_alerts(alerts)
    labelled, unusable_labels = read_labels(labels)
    tell_rejects([(alerts, unusable_alerts), (labels, unusable_labels)], tell)
    if bars:
        recording = read_recording(RecordedFiles(bars, reading=reading), Sessions(calendar), with_profiles=False)
        tell_rejects(recording.rejects, tell)
        evaluation.check_comparable(raised, labelled, recording.bars)
        symbol_days = evaluation.count_symbol_days(recording.bars, recording.sessions)
    else:
        evaluation.check_comparable(raised, labelled, None)
        symbol_days = evaluation.estimate_symbol_days(raised, labelled)
    console.print(_table(evaluation.evaluate(raised, labelled, symbol_days)))
    tell(f"{symbol_days.days:,} symbol-days, from {symbol_days.source}.")
    for kind in sorted({*labelled["kind"]} - {*raised["rule"]}):
        known = kind in (*RULES, market_events.RULE)
        tell(
            f"No alert of {kind} was raised." if known else f"No rule is called {kind!r}; rules are {', '.join(RULES)}."
        )


def _table(result: pd.DataFrame) -> Table:
    numbers = ["labels", "detected", "recall", "alerts", "precision (95 %)", "per symbol-day", "delay, median", "p95"]
    table = new_table("alerts against labels", ["rule"], numbers)
    for row in result.itertuples():
        interval = (
            "" if isnan(row.precision) else f"{row.precision:.1%} ({row.precision_low:.1%}-{row.precision_high:.1%})"
        )
        table.add_row(
            *(row.rule, f"{row.labels:,}", f"{row.detected:,}", _text(row.recall, ".1%"), f"{row.alerts:,}", interval),
            _text(row.alerts_per_symbol_day, ".3g"),
            *(_text(minutes, ".3g", " min") for minutes in (row.delay_median, row.delay_p95)),
        )
    return table


def _text(value: float, spec: str, unit: str = "") -> str:
    return "" if isnan(value) else f"{value:{spec}}{unit}"
