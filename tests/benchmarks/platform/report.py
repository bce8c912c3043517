"""Results as Markdown and JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tests.benchmarks.platform.figures import Figure, Result

# Below this share of the cores a component is not worth a row.
LEAST_SHARE = 0.002
TRIED = Path(__file__).with_name("tried.md")


def markdown(results: Sequence[Result], about: dict[str, Any], command: str) -> str:
    judged = [(result, figure) for result in results for figure in result.figures if figure.judged]
    held = [result.held_before(figure) for result, figure in judged if figure.held]
    count = f"{len(held)} of {len(judged)} targets held, {held.count(True)} of them in the run before too"
    lines = [
        "# The platform on one machine",
        "",
        f"`{command}`: {about['minutes']} minutes, the newest run; each part says when it was measured.",
        f"{about['cpu']}, {about['cores']} cores, {about['memory']}, load at the start {about['load_at_start']}.",
        "The whole local stack runs on them: Airflow, Kafka, Redis, PostgreSQL, embedded warehouse, and the simulated",
        "vendor, which holds each answer back for 20 to 80 ms.",
        "",
        f"**{count}.**" if judged else "**No target was measured.**",
        *(f"- missed: {result.name}: {figure.name}" for result, figure in judged if not figure.held),
        *(
            f"- missed in the run before: {result.name}: {figure.name}"
            for result, figure in judged
            if figure.held and result.held_before(figure) is False
        ),
    ]
    for result in results:
        lines += ["", section(result).rstrip()]
    return "\n".join(lines) + "\n"


def section(result: Result) -> str:
    lines = [f"## {result.name}", "", f"{result.about} {result.measured}, {result.seconds / 60:.1f} minutes."]
    if result.before:
        lines[-1] += f" The run before: {result.measured_before}."
    if result.figures:
        lines += table(
            ("figure", "target", "measured", "held", *(("run before", "held") if result.before else ())),
            [
                (figure.name, _target(figure), *_outcome(figure, figure.value), *_before(result, figure))
                for figure in result.figures
            ],
        )
    for title, (names, *rows) in result.tables.items():
        lines += ["", f"{title}:", *table(names, rows)]
    if result.cpu:
        shares = sorted(result.cpu.items(), key=lambda item: -item[1])
        rows = [(name, f"{100 * share:.1f}") for name, share in shares if share >= LEAST_SHARE]
        lines += ["", "What it costs:", *table(("component", "% of all cores"), rows)]
    notes = [*result.notes, *([] if result.held else tried(result.name))]
    return "\n".join([*lines, *(f"\n{note}" for note in notes)]) + "\n"


def tried(name: str) -> list[str]:
    """Return what has been tried so far to hold a part's targets."""
    _, *parts = re.split(r"^## (.+)$", TRIED.read_text(), flags=re.MULTILINE)
    text = dict(zip(parts[::2], parts[1::2], strict=True)).get(name, "").strip()
    return [f"What was tried:\n\n{text}"] if text else []


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [names, ("---", *("---:" for _ in names[1:])), *rows]
    return ["", *("| " + " | ".join(map(str, row)) + " |" for row in cells)]


def unmeasured(name: str, reason: str) -> Result:
    """Return the result of a benchmark that could not be measured."""
    return Result(name, f"Not measured: {reason}", [Figure("measured", None, most=0)])


def as_dict(result: Result) -> dict[str, Any]:
    figures = [
        asdict(figure)
        | {"held": figure.held if figure.judged else None}
        | {"held_before": result.held_before(figure) if figure.judged else None}
        for figure in result.figures
    ]
    return asdict(result) | {"figures": figures, "held": result.held}


def read(file: Path) -> list[Result]:
    """Read the results that a report in JSON holds."""
    if not file.exists():
        return []
    results = json.loads(file.read_text())["results"]
    for result in results:
        result["figures"] = [_known(Figure, figure) for figure in result["figures"]]
    return [_known(Result, result) for result in results]


def merge(new: Sequence[Result], old: Sequence[Result]) -> list[Result]:
    """Return all parts by name: ``new`` ones beside their ``old`` figures, the others as they were."""
    before = {result.name: result for result in old}
    for result in new:
        if earlier := before.pop(result.name, None):
            result.before = {figure.name: figure.value for figure in earlier.figures}
            result.measured_before = earlier.measured
    return sorted([*new, *before.values()], key=lambda result: result.name)


def _known(kind: type, values: dict[str, Any]) -> Any:
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})


def _outcome(figure: Figure, value: float | None) -> tuple[str, str]:
    """The value as it is shown, and whether it holds the target."""
    held = "" if not figure.judged else "yes" if figure.holds(value) else "**no**"
    if value is None:
        return "nothing", held
    digits = 0 if value == int(value) or abs(value) >= 1000 else 1 if abs(value) >= 20 else 2
    return f"{value:,.{digits}f} {figure.unit}".strip(), held


def _before(result: Result, figure: Figure) -> tuple[str, ...]:
    if figure.name in result.before:
        return _outcome(figure, result.before[figure.name])
    return ("", "") if result.before else ()


def _target(figure: Figure) -> str:
    bounds = [("at most", figure.most), ("at least", figure.least)]
    return ", ".join(f"{word} {bound:,g}" for word, bound in bounds if bound is not None)
