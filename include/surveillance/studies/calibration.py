"""Calibration: the thresholds that keep within an alert budget, as a report (Markdown, PNG) and a parameters file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from math import ceil, inf, isnan
from pathlib import Path
from typing import Literal

import yaml

from include.surveillance.detection.parameters.book import ParameterBook, read_parameters
from include.surveillance.detection.parameters.values import NO_BUDGET
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.profiles.build import Progress
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.rules.registry import BAR_RULES
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.results import make_folder
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.studies.forms import select_rules
from include.surveillance.studies.recorded import RecordedFiles, Tell, log_line, read_usable
from include.surveillance.studies.sweep import (
    Entry,
    count_alerts,
    count_judged_days,
    list_subjects,
    override_entry,
    replace_entries,
)
from include.surveillance.studies.thresholds import HEADER, Choice, calibrate

Per = Literal["rule", "symbol", "day"]
PER: dict[Per, str] = {
    "rule": "of each rule per symbol and day",
    "symbol": "of all rules together per symbol and day",
    "day": "a day of all rules and symbols together",
}
"""What a budget of alerts may be for."""
ABOUT_ALERTS = (
    "Alerts are per symbol and day, and every number of them was counted in a run of the engine over these bars: "
    "a breakout that waits for a return before it fires again, and volatility that goes on until it has calmed "
    "down, count as they would be raised. *Alerts proposed* is a run with all proposals at once. Bars that robust "
    "rules cannot judge, because there is no profile for them yet, do not count."
)
ABOUT_CURVES = (
    "A curve holds the thresholds that were tried, all else as it is now: from a great one downwards until too "
    "much is raised, then between the two where that begins, to three digits. Proposed is the smallest from which "
    "on all greater ones of the curve keep within the budget; smaller ones may raise little again where firings "
    "run together into few long alerts. *Nothing* is proposed where no bar could be judged, and where none or all "
    "of the thresholds stay within the budget; what is now then stays."
)


def calibrate_bars(
    files: RecordedFiles,
    out: Path,
    *,
    budget: float,
    per: Per = "rule",
    form: RuleForm,
    parameters: Path,
    calendar: str,
    tell: Tell = log_line,
    progress: Progress = lambda stage, done, total: None,
) -> list[Choice]:
    """Choose the smallest threshold of each rule and bucket that keeps within the budget over recorded bars.

    The engine runs some thirty times. Writes report.md, curves.png and parameters.yaml into ``out``.

    Args:
        budget: alerts.
        per: what the budget is for, see ``PER``.
        form: which rules.
        parameters: the file of parameters in force, which the proposal is to replace.
        calendar: of exchange_calendars.
        tell: receives what could not be used of the files.

    Raises:
        ConfigurationError: the budget, the parameters or a file cannot be used, or no bar can be judged.
    """
    if not 0 < budget < inf:
        raise ConfigurationError(f"the budget is {budget}; give alerts {PER[per]}, above 0, e.g. 0.1")
    # Thresholds in the rules' own units are looked for, and a budget in force would raise them.
    book = ParameterBook.load(parameters).replaced(alerting_form=form, budget=NO_BUDGET)
    robust = form == "robust"
    recording = read_usable(files, Sessions(calendar), with_profiles=robust, tell=tell, progress=progress)
    make_folder(out)
    evaluation = recording.evaluate(book)
    dates = evaluation.scan.positions.date
    first, last = iso_date(int(dates.min())), iso_date(int(dates.max()))
    symbol_days, days = count_judged_days(evaluation, form)
    each = share_budget(
        budget, per, symbol_days=symbol_days, days=days, rules=len(select_rules(BAR_RULES[form], evaluation))
    )
    subjects = list(list_subjects(evaluation, book, budget=each, date=last))
    # An evaluation is several times as large as the bars, and the engine's next runs need the memory.
    del evaluation, dates
    entries = read_entries(parameters)
    choices = calibrate(
        subjects, partial(count_alerts, recording, book, entries, first), budget=each, progress=progress
    )
    promise = describe_total(choices, symbol_days=symbol_days, days=days)
    tell(promise)
    symbols = len({symbol for symbol, _ in recording.bars.keys})
    about = f"{len(recording.bars):,} bars of {symbols:,} symbols, {first} to {last}."
    budget_text = f"{budget:g} alerts {PER[per]}"
    rationale = f"Calibrated for {budget_text} on {about} ({datetime.now(UTC):%Y-%m-%d})"
    write_proposal(out / "parameters.yaml", parameters, choices, form=form, effective=first, rationale=rationale)
    write_report(out, choices, form=form, budget=each, budget_text=budget_text, about=about, promise=promise)
    return choices


def share_budget(budget: float, per: Per, *, symbol_days: int, days: int, rules: int) -> float:
    """Return the alerts of one rule per symbol and day that keep within a budget; each rule has an equal share.

    Args:
        symbol_days, days: pairs of symbol and session, and sessions, on which bars are judged.
        rules: how many share the budget.
    """
    if per == "rule":
        return budget
    return budget / rules if per == "symbol" else budget * days / symbol_days / rules


def describe_total(choices: Sequence[Choice], *, symbol_days: int, days: int) -> str:
    """Say how many alerts all rules raise together with the chosen thresholds."""
    alerts = round(sum(choice.chosen_alerts * choice.subject.symbol_days for choice in choices))
    return (
        f"With the proposal all rules together raise {alerts:,} alerts on {days:,} days: {alerts / days:.3g} a day, "
        f"{alerts / symbol_days:.3g} per symbol and day."
    )


def write_report(
    out: Path, choices: Sequence[Choice], *, form: RuleForm, budget: float, budget_text: str, about: str, promise: str
) -> None:
    """Write ``report.md`` and ``curves.png`` into ``out``.

    Args:
        budget: alerts of each rule per symbol and day.
        budget_text: the budget as it was given.
        about, promise: one sentence on the bars, and one on the alerts of all rules together.
    """
    _draw_curves(out / "curves.png", choices, form, budget)
    lines = [
        f"# Calibration of the {form} rules",
        "",
        (
            f"{about} Budget: {budget_text}, which is {budget:.3g} of each rule per symbol and day. Firings of one "
            "symbol, rule and direction at most the cooldown apart are one alert."
        ),
        "",
        *markdown_table(HEADER, [choice.describe() for choice in choices]),
        *("", promise, "", ABOUT_ALERTS, "", ABOUT_CURVES, ""),
        *("![Alerts per symbol and day against the threshold](curves.png)", "", "## Curves"),
    ]
    for choice in choices:
        it = choice.subject
        lines += ["", f"### {it.rule}, {it.bucket} ({it.symbol_days:,} symbol-days)", ""]
        cells = [[f"{row.threshold:.4g}", f"{row.alerts:.3g}"] for row in choice.curve.itertuples()]
        lines += markdown_table([it.field, "alerts"], cells) if cells else ["No bar could be judged."]
    (out / "report.md").write_text("\n".join(lines) + "\n")


def write_proposal(
    path: Path, current: Path, choices: Sequence[Choice], *, form: RuleForm, effective: str, rationale: str
) -> None:
    """Write the parameters of ``current`` with the chosen thresholds in place of the overrides that they replace.

    They hold without a budget: they are what keeps within one on these bars.

    Args:
        effective: YYYY-MM-DD, New York, from which the proposal counts.
    """
    given = read_parameters(current)
    proposed = []
    for choice in choices:
        if isnan(choice.chosen):
            continue
        it = choice.subject
        because = f"{rationale} {it.current:g} raised {it.current_alerts / it.symbol_days:.3g} per symbol and day."
        proposed.append(override_entry(it.cell, form, effective, choice.chosen, because))
    overrides = replace_entries(read_entries(current), proposed)
    if form == "robust":
        given |= {"base": (given.get("base") or {}) | {"budget": {"alerts_per_symbol_session": 0}}}
    text = yaml.safe_dump(given | {"overrides": overrides}, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(f"# Proposed by calibrate; nothing uses it before it takes the place of {current.name}.\n{text}")


def read_entries(parameters: Path) -> list[Entry]:
    """Read the overrides of a file of parameters as they are written; of one that says nothing of them, the shipped."""
    given = read_parameters(parameters)
    return (given if "overrides" in given else read_parameters(Settings.parameters_file))["overrides"] or []


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _draw_curves(path: Path, choices: Sequence[Choice], form: RuleForm, budget: float) -> None:
    # Slow to import, and needed nowhere else.
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rules = list(dict.fromkeys(choice.subject.rule for choice in choices))
    figure, axes = plt.subplots(ceil(len(rules) / 2), 2, figsize=(11, 3.6 * ceil(len(rules) / 2)), layout="constrained")
    for axis, rule in zip(axes.flat, rules, strict=False):
        buckets = [choice for choice in choices if choice.subject.rule == rule]
        for choice in buckets:
            shown = choice.curve[choice.curve["alerts"] > 0]
            (line,) = axis.plot(shown["threshold"], shown["alerts"], marker=".", label=choice.subject.bucket)
            if choice.chosen_alerts > 0 and not isnan(choice.chosen):
                axis.plot(choice.chosen, choice.chosen_alerts, "o", markersize=9, color=line.get_color())
            axis.axvline(choice.subject.current, color=line.get_color(), linestyle=":")
        axis.axhline(budget, color="black", linewidth=0.8)
        points = [point for choice in buckets for point in (choice.subject.current, choice.chosen) if point > 0]
        axis.set(title=f"{rule} ({form})", xlabel=buckets[0].subject.field, ylabel="alerts per symbol and day")
        axis.set_xlim(0, 2 * max(points, default=1.0))
        axis.set_yscale("log")
        axis.legend()
    figure.suptitle("Large dots: proposed. Small dots: tried. Dotted: now. Black: the budget.")
    figure.savefig(path, dpi=110)
    plt.close(figure)
