"""``calibrate``: thresholds from an alert budget."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan
from typing import Annotated

import typer
import yaml
from rich.table import Table

from include.surveillance.cli import options
from include.surveillance.cli.options import console, folder, one_line_errors, progress
from include.surveillance.detection.parameters.book import DEFAULT, ParameterBook
from include.surveillance.detection.positions import iso_date
from include.surveillance.studies.calibration import write_proposal, write_report
from include.surveillance.studies.recorded import load
from include.surveillance.studies.sweep import Sweep, subjects
from include.surveillance.studies.thresholds import Choice, calibrate, checked


def calibrate_command(
    bars: options.Bars,
    budget: Annotated[float, typer.Option(help="Alerts of one rule per symbol and day.")],
    out: options.Out,
    rules: options.RulesForm = options.Rules.robust,
    params: options.Params = None,
    splits: options.Splits = None,
    dividends: options.Dividends = None,
    ticker_changes: options.TickerChanges = None,
    profiles: options.Profiles = None,
    calendar: options.Calendar = "XNYS",
) -> None:
    """Find the smallest thresholds with which the engine keeps within an alert budget over these bars.

    Writes report.md, curves.png and parameters.yaml. The engine runs some thirty times.
    """
    form = rules.value
    with one_line_errors():
        checked(budget)
        path = params or DEFAULT
        book = ParameterBook.load(path).with_(rules=form)
        recorded = load(
            bars,
            calendar=calendar,
            splits=splits,
            dividends=dividends,
            ticker_changes=ticker_changes,
            profiles=profiles,
            robust=form == "robust",
        )
        found = recorded.evaluate(book)
        dates = found.scan.positions.date
        first, last = iso_date(int(dates.min())), iso_date(int(dates.max()))
        sought = list(subjects(found, book, budget=budget, date=last))
        # As large as the bars several times over, and the runs to come need as much.
        del found, dates
        entries = (yaml.safe_load(path.read_text()) or {}).get("overrides") or []
        sweep = Sweep(recorded.evaluate, book, entries, effective=first)
        with progress() as done:
            choices = calibrate(sought, sweep.raised, budget=budget, done=done)
        folder(out)
        symbols = len({symbol for symbol, _ in recorded.bars.keys})
        about = f"{len(recorded.bars):,} bars of {symbols:,} symbols, {first} to {last}."
        rationale = f"Calibrated for {budget:g} alerts per symbol and day on {about} ({datetime.now(UTC):%Y-%m-%d})"
        write_proposal(out / "parameters.yaml", path, choices, form=form, effective=first, rationale=rationale)
        write_report(out, choices, form=form, budget=budget, about=about)
    console.print(_summary(choices, str(out)))


def _summary(choices: list[Choice], out: str) -> Table:
    numbers = ["now", "alerts now", "proposed", "alerts proposed"]
    table = options.table(f"thresholds -> {out}", ["rule", "bucket", "parameter"], numbers)
    for choice in choices:
        proposed = "nothing" if isnan(choice.chosen) else f"{choice.chosen:g}"
        now, then = (f"{rate:.3g}" for rate in (choice.current_alerts, choice.chosen_alerts))
        table.add_row(choice.rule, choice.bucket, choice.field, f"{choice.current:g}", now, proposed, then)
    return table
