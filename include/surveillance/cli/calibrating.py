"""``calibrate``: thresholds from an alert budget."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from ..calibration import Choice, calibrate
from ..calibration_report import Measured, write_proposal, write_report
from ..detection.engine import Evaluation
from ..detection.episodes import OPENS
from ..detection.overrides import LIQUIDITY
from ..detection.parameters import DEFAULT, ParameterBook
from ..detection.placing import iso_date
from ..detection.reporting import FORMS
from ..detection.rules.rule import KINDS
from ..models import Profile
from . import options
from .options import console, folder, one_line_errors
from .recorded import load


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
    """Find the thresholds that keep within an alert budget: report.md, curves.png, parameters.yaml."""
    form = rules.value
    with one_line_errors():
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
        fresh = found.fresh
        session = found.scan.places.session[fresh]
        first, last = iso_date(int(session.min())), iso_date(int(session.max()))
        buckets = ("all",) if form == "literal" else LIQUIDITY
        current = {name: book.resolve_for(last, "", "", "" if name == "all" else name) for name in buckets}
        bucket = _bucket(found, recorded.profiles, form)[fresh]
        choices = calibrate(found.bars, found.measures, session, bucket, form=form, budget=budget, current=current)
        folder(out)
        symbols = len({symbol for symbol, _ in recorded.bars.keys})
        about = f"{len(recorded.bars):,} bars of {symbols:,} symbols, {first} to {last}."
        rationale = f"Calibrated for {budget:g} alerts per symbol and day on {about} ({datetime.now(UTC):%Y-%m-%d})"
        proposal = out / "parameters.yaml"
        write_proposal(proposal, path, choices, form=form, effective=first, rationale=rationale)
        again = recorded.evaluate(ParameterBook.load(proposal).with_(rules=form))
        measured = _measured(again, recorded.profiles, choices, form)
        write_report(out, choices, form=form, budget=budget, about=about, measured=measured)
    console.print(_summary(choices, measured, str(out)))


def _bucket(found: Evaluation, profiles: list[Profile], form: str) -> np.ndarray:
    """Per bar of the scan the place of its bucket, -1 for none."""
    if form == "literal":
        return np.zeros(len(found.scan), dtype=np.int8)
    places = [LIQUIDITY.index(profile.liquidity) for profile in found.profiles]
    return np.array([*places, -1], dtype=np.int8)[found.scan.profile]


def _measured(found: Evaluation, profiles: list[Profile], choices: list[Choice], form: str) -> Measured:
    """Episodes that the engine itself opened, per rule and bucket."""
    bucket, firings = _bucket(found, profiles, form), found.fresh_firings
    opened = (firings.does == OPENS) & (firings.form == FORMS.index(form))
    rule_of = np.array([rule for rule, _ in KINDS])[firings.kind]
    names = ("all",) if form == "literal" else LIQUIDITY
    return {
        (choice.rule, choice.bucket): np.count_nonzero(
            opened & (rule_of == choice.rule) & (bucket[firings.index] == names.index(choice.bucket))
        )
        / choice.symbol_days
        for choice in choices
    }


def _summary(choices: list[Choice], measured: Measured, out: str) -> Table:
    numbers = ["now", "alerts now", "proposed", "alerts measured"]
    table = options.table(f"thresholds -> {out}", ["rule", "bucket", "parameter"], numbers)
    for choice in choices:
        proposed = "nothing" if isnan(choice.chosen) else f"{choice.chosen:g}"
        rates = (choice.current_alerts, measured[choice.rule, choice.bucket])
        now, then = (f"{rate:.3g}" for rate in rates)
        table.add_row(choice.rule, choice.bucket, choice.field, f"{choice.current:g}", now, proposed, then)
    return table
