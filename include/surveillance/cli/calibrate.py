"""``calibrate``: thresholds from an alert budget."""

from __future__ import annotations

from typing import Annotated

import typer

from include.surveillance.cli import options
from include.surveillance.cli.options import console, load_book, new_table, show_progress, tell
from include.surveillance.files.bar_rows import Reading
from include.surveillance.settings import Settings
from include.surveillance.studies.calibration import PER, Per, calibrate_bars
from include.surveillance.studies.recorded import RecordedFiles
from include.surveillance.studies.thresholds import HEADER


@options.asks_how_to_read
def calibrate(
    bars: options.Bars,
    budget: Annotated[float, typer.Option(help="Alerts; --per says of what.")],
    out: options.Out,
    per: Annotated[
        Per, typer.Option(help="; ".join(f"{name}: alerts {meaning}" for name, meaning in PER.items()) + ".")
    ] = "rule",
    rules: options.Rules = None,
    params: options.Params = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    calendar: options.Calendar = "XNYS",
    *,
    reading: Reading,
) -> None:
    """Find the smallest thresholds with which the engine keeps within an alert budget over these bars.

    Writes report.md, curves.png and parameters.yaml. The engine runs some thirty times.
    """
    files = RecordedFiles(bars, None, splits, dividends, ticker_changes, profiles, reading)
    with show_progress() as progress:
        choices = calibrate_bars(
            files,
            out,
            budget=budget,
            per=per,
            form=rules or load_book(params, rules).base.default_form,
            parameters=params or Settings.parameters_file,
            calendar=calendar,
            tell=tell,
            progress=progress,
        )
    table = new_table(f"thresholds -> {out}", HEADER[:3], HEADER[3:])
    for choice in choices:
        table.add_row(*choice.describe())
    console.print(table)
