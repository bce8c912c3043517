"""The recall of injected bursts as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.benchmarks.bursts import METHODS

INTRODUCTION = """\
Bursts of volume are injected at known times into recorded bars: two a symbol and day are tried, ten minutes each (one
bar where bars are of 15 minutes), times 3, 5 or 8; {copies} of each file and multiple, each with
other times. Then each form of the volume rule may raise {budget:g} alerts per symbol and day on the bars as they were
recorded, and a burst is detected when it holds a bar above the threshold that keeps to this.

- robust: the robust z, with RVOL above 3 and $10,000 traded. Profiles are built before each session from the sessions
  before it; those for injected bars from the injected bars, as it would be live.
- RVOL alone: the same five minutes over the usual at this time of day, of the same profile; no level of the day and no
  dispersion. It shows how much of the difference is due to knowing the time of day.
- literal: a bar's volume over the mean of the 20 bars before it; with session reset the 20 must be of the same day.

All are judged on the same symbol-days: those with a profile of three earlier sessions or more."""

QUIET = """\
Episodes per symbol and day when one threshold holds for all symbols; shipped parameters give thin ones a higher z."""

CAVEATS = """\
## What this does not show

- The minute files are short: {days} symbol-days, so {minute_budget} affordable episodes. One unusual bar moves such a
  threshold a lot. Read the 15-minute file for the size of the difference, the minute files for its direction.
- Pooled rows are mostly the 15-minute file, which holds {share:.0%} of the bursts.
- Thresholds are chosen on the same recorded bars that bursts are then injected into, for every form; on other days
  the alert rate will differ from the budget.
- What was recorded counts as quiet. Real bursts in it, of which there are some, are alerts that cost budget.
- The literal ratio spends its budget on hours that are busy every day: {literal:.0%} of its bars above the threshold
  are the first of a day, held against the afternoon before, or the last ({reset:.0%} with session reset; {robust:.0%}
  of the robust form's).
- Only volume is injected. Prices do not move, and a burst is a multiple of what was traded, so that one in a slow
  minute is few shares.
- With session reset the literal rule is not applicable to the first 20 bars of a day, of which there are 26 of 15
  minutes. Bursts in them count as not detected."""


def markdown(results: Mapping[str, Any]) -> str:
    files, budget = results["files"], results["budget"]
    lines = [
        "# Recall of the volume rule at an equal alert budget",
        "",
        f"{results['date']}. Repeat with `{results['command']}`.",
        "",
        INTRODUCTION.format(copies=_copies(results["seeds"]), budget=budget),
    ]
    lines += ["", "## Each file with its own thresholds", *_table(_HEAD, _rows(files, "recall"))]
    lines += ["", "## All files together", *_table(_HEAD, _pooled(results["pooled"]))]
    seeds = [one["ratio to literal"] for one in results["by_seed"].values()]
    if len(seeds) > 1 and None not in seeds:
        lines += [
            "",
            f"With own thresholds, robust / literal is {min(seeds):.1f} to {max(seeds):.1f} from seed to seed.",
        ]
    shared = results["pooled"]["one threshold"]["thresholds"]
    limits = ", ".join(f"{method} {shared[method]:.2f}" for method in METHODS)
    lines += ["", "## Each file with the one threshold for all", "", f"Thresholds: {limits}."]
    lines += _table(_HEAD, _rows(files, "recall_shared"))
    lines += ["", "## Thresholds, and where they spend the budget", *_table(_SPENT, _spent(files))]
    lines += ["", "## Alerts on recorded bars without injection", "", QUIET]
    lines += _quiet(results)
    minute = [one["symbol_days"] for name, one in files.items() if name.startswith("minute_")]
    largest = max(one["recall"]["all"]["bursts"] for one in files.values())
    caveats = CAVEATS.format(
        days=" and ".join(map(str, minute)),
        minute_budget=" and ".join(str(int(days * budget)) for days in minute),
        share=largest / results["pooled"]["own thresholds"]["recall"]["all"]["bursts"],
        **{
            name: _at_the_edges(files, method)
            for name, method in zip(("robust", "rvol", "literal", "reset"), METHODS, strict=True)
        },
    )
    return "\n".join([*lines, "", caveats]) + "\n"


def _copies(seeds: int) -> str:
    return f"{seeds} copies (seeds 1 to {seeds})" if seeds > 1 else "one copy (seed 1)"


def _at_the_edges(files: Mapping[str, Any], method: str) -> float:
    """Which share of the bars above a file's threshold are the first or last of a day."""
    above = [one["above"][method] for one in files.values()]
    total = sum(sum(one.values()) for one in above)
    return 1 - sum(one["between"] for one in above) / total if total else 0.0


_HEAD = ("bars", "multiple", "bursts", *METHODS, "robust / RVOL", "robust / literal", "robust / reset")
_SPENT = ("bars, rule", "symbol-days", "threshold", "bars above it", "first bar of the day", "last bar", "between")


def _rows(files: Mapping[str, Any], which: str) -> list[tuple[str, ...]]:
    return [_row(name, multiple, cell) for name, one in files.items() for multiple, cell in one[which].items()]


def _pooled(pooled: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [_row(name, multiple, cell) for name, one in pooled.items() for multiple, cell in one["recall"].items()]


def _row(name: str, multiple: str, cell: Mapping[str, Any]) -> tuple[str, ...]:
    shares = (f"{cell['found'][method]:,} ({cell['found'][method] / cell['bursts']:.1%})" for method in METHODS)
    ratios = (cell[f"ratio to {method}"] for method in METHODS[1:])
    times = ("none found" if ratio is None else f"{ratio:.1f}" for ratio in ratios)
    return (name, multiple, f"{cell['bursts']:,}", *shares, *times)


def _spent(files: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            f"{name}, {method}",
            f"{one['symbol_days']}",
            f"{one['thresholds'][method]:.2f}",
            f"{sum(one['above'][method].values())}",
            *(f"{count}" for count in one["above"][method].values()),
        )
        for name, one in files.items()
        for method in METHODS
    ]


def _quiet(results: Mapping[str, Any]) -> list[str]:
    files, default = results["files"], f"{results['default_z']:g}"
    first = next(iter(files.values()))["quiet_episodes"]
    rows = []
    for method in first:
        for limit in first[method]:
            text = f"z {limit}" if method == "robust" else f"{method}, {limit} times"
            text += " (default)" if limit == default or method != "robust" else ""
            rows.append((text, *(f"{one['quiet_episodes'][method][limit]:.2f}" for one in files.values())))
    return _table(("limit", *files), rows)


def _table(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    cells = [names, ("---", *("---:" for _ in names[1:])), *rows]
    return ["", *("| " + " | ".join(row) + " |" for row in cells)]
