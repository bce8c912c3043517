"""Calibration: the thresholds that keep within an alert budget, as a report (Markdown, PNG) and a parameters file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from math import ceil, inf, isnan
from pathlib import Path

import yaml

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.profiles.schedule import Progress
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.errors import ConfigurationError
from include.surveillance.files.results import make_folder
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles, Tell, log_line, read_usable
from include.surveillance.studies.sweep import count_alerts, list_subjects, override_entry, replace_entries
from include.surveillance.studies.thresholds import HEADER, Choice, calibrate

ABOUT_ALERTS = (
    "Alerts are per symbol and day, and every number of them was counted in a run of the engine over these bars: "
    "a breakout that waits for a return before it fires again, and volatility that goes on until it has calmed "
    "down, count as they would be raised. *Alerts proposed* is a run with all proposals at once. Bars that are "
    "judged by the other form, because there is no profile for them yet, do not count."
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
    form: RuleForm,
    parameters: Path,
    calendar: str,
    tell: Tell = log_line,
    progress: Progress = lambda stage, done, total: None,
) -> list[Choice]:
    """Choose the smallest threshold of each rule and bucket that keeps within the budget over recorded bars.

    The engine runs some thirty times. Writes report.md, curves.png and parameters.yaml into ``out``.

    Args:
        budget: alerts of one rule per symbol and day.
        form: which rules.
        parameters: the file of parameters in force, which the proposal is to replace.
        calendar: of exchange_calendars.
        tell: receives what could not be used of the files.

    Raises:
        ConfigurationError: the budget, the parameters or a file cannot be used, or no bar can be judged.
    """
    if not 0 < budget < inf:
        raise ConfigurationError(f"the budget is {budget}; give alerts per symbol and day, above 0, e.g. 0.1")
    book = ParameterBook.load(parameters).replaced(alerting_form=form)
    robust = form == "robust"
    recording = read_usable(files, Sessions(calendar), with_profiles=robust, tell=tell, progress=progress)
    make_folder(out)
    evaluation = recording.evaluate(book)
    dates = evaluation.scan.positions.date
    first, last = iso_date(int(dates.min())), iso_date(int(dates.max()))
    subjects = list(list_subjects(evaluation, book, budget=budget, date=last))
    # An evaluation is several times as large as the bars, and the engine's next runs need the memory.
    del evaluation, dates
    entries = (yaml.safe_load(parameters.read_text()) or {}).get("overrides") or []
    choices = calibrate(
        subjects, partial(count_alerts, recording, book, entries, first), budget=budget, progress=progress
    )
    symbols = len({symbol for symbol, _ in recording.bars.keys})
    about = f"{len(recording.bars):,} bars of {symbols:,} symbols, {first} to {last}."
    rationale = f"Calibrated for {budget:g} alerts per symbol and day on {about} ({datetime.now(UTC):%Y-%m-%d})"
    write_proposal(out / "parameters.yaml", parameters, choices, form=form, effective=first, rationale=rationale)
    write_report(out, choices, form=form, budget=budget, about=about)
    return choices


def write_report(out: Path, choices: Sequence[Choice], *, form: RuleForm, budget: float, about: str) -> None:
    """Write ``report.md`` and ``curves.png`` into ``out``.

    Args:
        about: one sentence on the bars.
    """
    _draw_curves(out / "curves.png", choices, form, budget)
    lines = [
        f"# Calibration of the {form} rules",
        "",
        (
            f"{about} Budget: {budget:g} alerts of each rule per symbol and day. Firings of one symbol, rule and "
            "direction at most the cooldown apart are one alert."
        ),
        "",
        *markdown_table(HEADER, [choice.describe() for choice in choices]),
        *("", ABOUT_ALERTS, "", ABOUT_CURVES, ""),
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

    Args:
        effective: YYYY-MM-DD, New York, from which the proposal counts.
    """
    given = yaml.safe_load(current.read_text()) or {}
    proposed = []
    for choice in choices:
        if isnan(choice.chosen):
            continue
        it = choice.subject
        because = f"{rationale} {it.current:g} raised {it.current_alerts / it.symbol_days:.3g} per symbol and day."
        proposed.append(override_entry(it.cell, form, effective, choice.chosen, because))
    overrides = replace_entries(given.get("overrides") or [], proposed)
    text = yaml.safe_dump(given | {"overrides": overrides}, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(f"# Proposed by calibrate; nothing uses it before it takes the place of {current.name}.\n{text}")


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
