"""What a calibration found, for people (Markdown, PNG) and as a parameters file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, isnan
from pathlib import Path
from typing import Any

import yaml

from .calibration import Choice
from .detection.parameters import Form

Measured = Mapping[tuple[str, str], float]
"""(rule, bucket) -> alerts per symbol and day."""


def write_report(
    out: Path, choices: Sequence[Choice], *, form: Form, budget: float, about: str, measured: Measured
) -> None:
    """``report.md`` and ``curves.png`` into ``out``.

    Args:
        about: one sentence on the bars.
        measured: what the engine itself raised when it was run with the chosen thresholds.
    """
    _draw(out / "curves.png", choices, form, budget)
    lines = [
        f"# Calibration of the {form} rules",
        "",
        f"{about} Budget: {budget:g} alerts of each rule per symbol and day. Firings of one symbol, rule and direction "
        "at most the cooldown apart are one alert.",
        "",
        *table(
            ["rule", "bucket", "parameter", "now", "alerts now", "proposed", "alerts by the curve", "alerts measured"],
            [
                [
                    choice.rule,
                    choice.bucket,
                    choice.field,
                    f"{choice.current:g}",
                    _rate(choice.current_alerts),
                    "nothing" if isnan(choice.chosen) else f"{choice.chosen:g}",
                    _rate(choice.chosen_alerts),
                    _rate(measured.get((choice.rule, choice.bucket), float("nan"))),
                ]
                for choice in choices
            ],
        ),
        "",
        "Alerts are per symbol and day. The curve counts what exceeds each threshold; *measured* is a run of the "
        "engine with all proposed thresholds at once. They differ where a rule remembers: a breakout waits for a "
        "return before it fires again, volatility goes on firing until it has calmed down. "
        "*Nothing* is proposed where no bar could be judged, and where none or all of the thresholds stay within the "
        "budget.",
        "",
        "![Alerts per symbol and day against the threshold](curves.png)",
        "",
        "## Curves",
    ]
    for choice in choices:
        rows = choice.curve.iloc[:: max(1, len(choice.curve) // 12)]
        lines += ["", f"### {choice.rule}, {choice.bucket} ({choice.symbol_days:,} symbol-days)", ""]
        cells = [[f"{row.threshold:.4g}", _rate(row.alerts)] for row in rows.itertuples()]
        lines += table([choice.field, "alerts"], cells)
    (out / "report.md").write_text("\n".join(lines) + "\n")


def write_proposal(
    path: Path, current: Path, choices: Sequence[Choice], *, form: Form, effective: str, rationale: str
) -> None:
    """The parameters of ``current`` with what was chosen in place of what it holds against.

    Args:
        effective: YYYY-MM-DD, New York, from which the proposal counts.
    """
    given = yaml.safe_load(current.read_text()) or {}
    overrides = list(given.get("overrides") or [])
    proposed = []
    for choice in choices:
        if isnan(choice.chosen):
            continue
        scope = {"scope": "global"} if choice.bucket == "all" else {"scope": "liquidity", "of": choice.bucket}
        target = {"rule": choice.rule, "form": form} | scope
        overrides = [kept for entry in overrides if (kept := _without(entry, target, choice.field, effective))]
        because = f"{rationale} {choice.current:g} raised {choice.current_alerts:.3g} per symbol and day."
        proposed.append(target | {"effective": effective, "set": {choice.field: choice.chosen}, "rationale": because})
    text = yaml.safe_dump(
        given | {"overrides": [*overrides, *proposed]}, sort_keys=False, allow_unicode=True, width=110
    )
    path.write_text(f"# Proposed by calibrate; nothing uses it before it takes the place of {current.name}.\n{text}")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _without(entry: dict[str, Any], target: dict[str, str], field: str, effective: str) -> dict[str, Any] | None:
    """An override without a value that would hold over the proposed one; None when nothing is left of it."""
    whom = {"scope": "global"} | entry
    same = all(whom.get(name) == value for name, value in target.items()) and str(entry["effective"]) >= effective
    if not same or field not in entry["set"]:
        return entry
    left = {name: value for name, value in entry["set"].items() if name != field}
    return entry | {"set": left} if left else None


def _draw(path: Path, choices: Sequence[Choice], form: Form, budget: float) -> None:
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
            (line,) = axis.plot(shown["threshold"], shown["alerts"], label=choice.bucket)
            if choice.chosen_alerts > 0:
                axis.plot(choice.chosen, choice.chosen_alerts, "o", color=line.get_color())
            axis.axvline(choice.current, color=line.get_color(), linestyle=":")
        axis.axhline(budget, color="black", linewidth=0.8)
        points = [point for choice in of_rule for point in (choice.current, choice.chosen) if point > 0]
        axis.set(title=f"{rule} ({form})", xlabel=of_rule[0].field, ylabel="alerts per symbol and day")
        axis.set_xlim(0, 2 * max(points, default=1.0))
        axis.set_yscale("log")
        axis.legend()
    figure.suptitle("Dots: proposed. Dotted: now. Black: the budget.")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _rate(value: float) -> str:
    return "" if isnan(value) else f"{value:.3g}"
