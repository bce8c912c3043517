"""Results as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .figures import Figure, Result

# Below this share of the cores a component is not worth a row.
LEAST_SHARE = 0.002


def markdown(found: Sequence[Result], about: dict[str, Any], command: str) -> str:
    judged = [(result.name, figure) for result in found for figure in result.figures if figure.judged]
    missed = [f"{name}: {figure.name}" for name, figure in judged if not figure.held]
    lines = [
        "# The platform on one machine",
        "",
        f"`{command}`: {about['minutes']} minutes, the newest run; each part says when it was measured.",
        f"{about['cpu']}, {about['cores']} cores, {about['memory']}, load at the start {about['load_at_start']}.",
        "The whole local stack runs on them: Airflow, Kafka, Redis, PostgreSQL, embedded warehouse, and the simulated",
        "vendor, which holds each answer back for 20 to 80 ms.",
        "",
        f"**{len(judged) - len(missed)} of {len(judged)} targets held.**" if judged else "**No target was measured.**",
        *(f"- missed: {text}" for text in missed),
    ]
    for result in found:
        lines += ["", section(result).rstrip()]
    return "\n".join(lines) + "\n"


def section(result: Result) -> str:
    lines = [f"## {result.name}", "", f"{result.about} {result.measured}, {result.seconds / 60:.1f} minutes."]
    if result.figures:
        rows = [(figure.name, _value(figure), _target(figure), _verdict(figure)) for figure in result.figures]
        lines += table(("figure", "measured", "target", "held"), rows)
    for title, (names, *rows) in result.tables.items():
        lines += ["", f"{title}:", *table(names, rows)]
    if result.cpu:
        shares = sorted(result.cpu.items(), key=lambda item: -item[1])
        rows = [(name, f"{100 * share:.1f}") for name, share in shares if share >= LEAST_SHARE]
        lines += ["", "What it costs:", *table(("component", "% of all cores"), rows)]
    return "\n".join([*lines, *(f"\n{note}" for note in result.notes)]) + "\n"


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [names, ("---", *("---:" for _ in names[1:])), *rows]
    return ["", *("| " + " | ".join(map(str, row)) + " |" for row in cells)]


def missed(name: str, reason: str) -> Result:
    """Of a benchmark that could not be measured."""
    return Result(name, f"Not measured: {reason}", [Figure("measured", None, most=0)])


def as_dict(result: Result) -> dict[str, Any]:
    figures = [asdict(figure) | {"held": figure.held if figure.judged else None} for figure in result.figures]
    return asdict(result) | {"figures": figures, "held": result.held}


def earlier(file: Path, found: Sequence[Result]) -> list[Result]:
    """What a report in JSON holds besides the parts that have been ``found`` anew."""
    if not file.exists():
        return []
    names = {result.name for result in found}
    kept = [kept for kept in json.loads(file.read_text())["results"] if kept["name"] not in names]
    for result in kept:
        result.pop("held")
        result["figures"] = [
            Figure(**{name: figure[name] for name in figure if name != "held"}) for figure in result["figures"]
        ]
    return [Result(**result) for result in kept]


def _value(figure: Figure) -> str:
    if figure.value is None:
        return "nothing"
    digits = (
        0 if figure.value == int(figure.value) or abs(figure.value) >= 1000 else 1 if abs(figure.value) >= 20 else 2
    )
    return f"{figure.value:,.{digits}f} {figure.unit}".strip()


def _target(figure: Figure) -> str:
    bounds = [("at most", figure.most), ("at least", figure.least)]
    return ", ".join(f"{word} {bound:,g}" for word, bound in bounds if bound is not None)


def _verdict(figure: Figure) -> str:
    return "" if not figure.judged else "yes" if figure.held else "**no**"
