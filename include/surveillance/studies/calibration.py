"""What a calibration found, for people (Markdown, PNG) and as a parameters file."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isnan
from pathlib import Path

import yaml

from include.surveillance.detection.parameters.book import RuleForm
from include.surveillance.studies.sweep import entry, replaced
from include.surveillance.studies.thresholds import Choice


def write_report(out: Path, choices: Sequence[Choice], *, form: RuleForm, budget: float, about: str) -> None:
    """``report.md`` and ``curves.png`` into ``out``.

    Args:
        about: one sentence on the bars.
    """
    _draw(out / "curves.png", choices, form, budget)
    lines = [
        f"# Calibration of the {form} rules",
        "",
        f"{about} Budget: {budget:g} alerts of each rule per symbol and day. Firings of one symbol, rule and direction "
        "at most the cooldown apart are one alert.",
        "",
        *table(
            ["rule", "bucket", "parameter", "now", "alerts now", "proposed", "alerts proposed"],
            [
                [
                    choice.rule,
                    choice.bucket,
                    choice.field,
                    f"{choice.current:g}",
                    _rate(choice.current_alerts),
                    "nothing" if isnan(choice.chosen) else f"{choice.chosen:g}",
                    _rate(choice.chosen_alerts),
                ]
                for choice in choices
            ],
        ),
        "",
        "Alerts are per symbol and day, and every number of them was counted in a run of the engine over these bars: "
        "a breakout that waits for a return before it fires again, and volatility that goes on until it has calmed "
        "down, count as they would be raised. *Alerts proposed* is a run with all proposals at once. Bars that are "
        "judged by the other form, because there is no profile for them yet, do not count.",
        "",
        "A curve holds the thresholds that were tried, all else as it is now: from a great one downwards until too "
        "much is raised, then between the two where that begins, to three digits. Proposed is the smallest from which "
        "on all greater ones of the curve keep within the budget; smaller ones may raise little again where firings "
        "run together into few long alerts. *Nothing* is proposed where no bar could be judged, and where none or all "
        "of the thresholds stay within the budget; what is now then stays.",
        "",
        "![Alerts per symbol and day against the threshold](curves.png)",
        "",
        "## Curves",
    ]
    for choice in choices:
        lines += ["", f"### {choice.rule}, {choice.bucket} ({choice.symbol_days:,} symbol-days)", ""]
        cells = [[f"{row.threshold:.4g}", _rate(row.alerts)] for row in choice.curve.itertuples()]
        lines += table([choice.field, "alerts"], cells) if cells else ["No bar could be judged."]
    (out / "report.md").write_text("\n".join(lines) + "\n")


def write_proposal(
    path: Path, current: Path, choices: Sequence[Choice], *, form: RuleForm, effective: str, rationale: str
) -> None:
    """The parameters of ``current`` with what was chosen in place of what it holds against.

    Args:
        effective: YYYY-MM-DD, New York, from which the proposal counts.
    """
    given = yaml.safe_load(current.read_text()) or {}
    proposed = []
    for choice in choices:
        if isnan(choice.chosen):
            continue
        because = f"{rationale} {choice.current:g} raised {choice.current_alerts:.3g} per symbol and day."
        proposed.append(entry((choice.rule, choice.bucket), form, effective, choice.chosen, because))
    overrides = replaced(given.get("overrides") or [], proposed)
    text = yaml.safe_dump(given | {"overrides": overrides}, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(f"# Proposed by calibrate; nothing uses it before it takes the place of {current.name}.\n{text}")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _draw(path: Path, choices: Sequence[Choice], form: RuleForm, budget: float) -> None:
    # Slow to import, and needed nowhere else.
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rules = list(dict.fromkeys(choice.rule for choice in choices))
    figure, axes = plt.subplots(ceil(len(rules) / 2), 2, figsize=(11, 3.6 * ceil(len(rules) / 2)), layout="constrained")
    for axis, rule in zip(axes.flat, rules, strict=False):
        of_rule = [choice for choice in choices if choice.rule == rule]
        for choice in of_rule:
            shown = choice.curve[choice.curve["alerts"] > 0]
            (line,) = axis.plot(shown["threshold"], shown["alerts"], marker=".", label=choice.bucket)
            if choice.chosen_alerts > 0 and not isnan(choice.chosen):
                axis.plot(choice.chosen, choice.chosen_alerts, "o", markersize=9, color=line.get_color())
            axis.axvline(choice.current, color=line.get_color(), linestyle=":")
        axis.axhline(budget, color="black", linewidth=0.8)
        points = [point for choice in of_rule for point in (choice.current, choice.chosen) if point > 0]
        axis.set(title=f"{rule} ({form})", xlabel=of_rule[0].field, ylabel="alerts per symbol and day")
        axis.set_xlim(0, 2 * max(points, default=1.0))
        axis.set_yscale("log")
        axis.legend()
    figure.suptitle("Large dots: proposed. Small dots: tried. Dotted: now. Black: the budget.")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _rate(value: float) -> str:
    return "" if isnan(value) else f"{value:.3g}"
