"""The report of a backtest: one HTML file that needs no other, and the table of the terminal."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.surveillance.detection.parameters.values import encode_value
from include.surveillance.detection.rules.registry import BAR_RULES
from include.surveillance.studies.backtest_summary import (
    DECILES,
    FEW_SESSIONS,
    RESAMPLES,
    SMALL_SAMPLE,
    UNKNOWN,
    Backtest,
    Tried,
)
from include.surveillance.studies.outcomes import FEWEST_SESSIONS, SPY, USUAL_SESSIONS, list_horizons

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW_SYMBOLS = 10
HEADER = ["", "group", "bars", "horizon"]
NUMBERS = [
    *("alerts", "retracted", "known", "median", "matched", "mean", "matched mean", "beyond 95 %", "on, signed mean"),
    *("volume", "matched volume", "matched bars"),
]
TERMINAL = ["known", "median", "matched", "beyond 95 %"]
BY = {
    "all": "All alerts",
    "rule": "By rule",
    "tag": "By tag: what explained the alert when it was raised",
    "rarity": "By rarity: once in so many sessions, tenths of the alerts",
}
COLOURS, CALM = ("#2471a3", "#d68910"), "#7f8c8d"
STYLE = """
body { font: 14px/1.5 sans-serif; max-width: 82em; margin: 2em auto; padding: 0 1em; color: #17202a }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .15em .6em; border-bottom: 1px solid #d5d8dc }
td { white-space: nowrap } td.n, th.n { text-align: right } tr.few td { color: #7f8c8d } img { max-width: 100% }
pre { white-space: pre-wrap; background: #f4f6f7; padding: 1em }
"""
EXPLANATION = """
Profiles before each session come from the sessions before it. An alert is judged as it was first published. Entry is
the close of its bar, or of the last bar before the article that made it known; each later price is the last close up to
the horizon, in the session of the horizon. Minutes do not reach past a session.

The abnormal return is the log return less that of {benchmark} over the same time, or, without {benchmark} among the
bars, less the median of the other symbols. Sizes (median, mean) are absolute. The signed mean is of alerts with a
direction: above zero the price went on, below it came back. Prices are adjusted for splits, not for dividends.

Volume is that from the alert to the horizon as a multiple of the usual one at these times of day, the median of up to
{usual} earlier sessions of the symbol, at least {fewest}; the table has its median.

Matched are up to {matches} bars for each alert: the same symbol and timespan, the same time of day give or take 15
minutes, in sessions without any alert of the symbol within a session of them, before or after it; seed {seed}. Beyond
95 % is the share of alerts whose absolute abnormal return exceeds the 95th percentile of the matched: 5 % would be
chance. Calm sessions may be of calmer weeks than the alerts, so not all of a difference is the alerts' doing.

Intervals hold 95 %. Those of medians and means come from {resamples:,} resamples of whole sessions; those of shares are
Wilson's, which take alerts as independent. Few: below {small} known outcomes or {sessions} sessions, grey: read nothing
into them. Nothing is corrected for the many comparisons of these tables: one in twenty is beyond its interval by
chance.
"""
FILES = (
    '<p>Rows: <a href="outcomes.parquet">outcomes.parquet</a>, one per alert and horizon, and '
    '<a href="matched.parquet">matched.parquet</a>, one per matched bar and horizon.</p>'
)


def write_report(path: Path, backtest: Backtest) -> None:
    """Write the report as one HTML file with its pictures in it."""
    parts = ["<h1>Backtest</h1>", *_describe_data(backtest), *_describe_parameters(backtest)]
    for timespan in backtest.bars:
        picture = b64encode(_draw(backtest, timespan)).decode()
        parts.append(f'<h2>{escape(timespan)} bars</h2><img alt="" src="data:image/png;base64,{picture}">')
    for by, title in BY.items():
        rows = [(_cells(*row), bool(row[1]["few"])) for row in list_rows(backtest, by)]
        parts += [f"<h2>{escape(title)}</h2>", _table(HEADER, NUMBERS, rows)]
    parts += ["<h2>How it is measured</h2>", *_explain(backtest)]
    title = f"Backtest {' to '.join(backtest.period)}"
    path.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def list_rows(backtest: Backtest, by: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of a summary, those of one group and horizon side by side: the letter of the set, and the row."""
    rows = []
    for letter, one in zip("AB", backtest.tried, strict=False):
        if not one.summary.empty:
            rows += [(letter, row) for row in one.summary[one.summary["by"] == by].to_dict("records")]
    groups = dict.fromkeys((row["group"], row["timespan"], row["horizon"]) for _, row in rows)
    if by == "rarity":
        return rows  # each set has tenths of its own
    place = {group: number for number, group in enumerate(groups)}
    return sorted(rows, key=lambda it: (place[it[1]["group"], it[1]["timespan"], it[1]["horizon"]], it[0]))


def terminal_rows(backtest: Backtest) -> list[list[str]]:
    """Return the cells of ``HEADER`` and ``TERMINAL`` of all alerts and of each rule."""
    cells = [_cells(*row) for by in ("all", "rule") for row in list_rows(backtest, by)]
    shown = [len(HEADER) + NUMBERS.index(name) for name in TERMINAL]
    return [[*row[: len(HEADER)], *(row[at] for at in shown)] for row in cells]


def describe_benchmarks(backtest: Backtest) -> list[str]:
    """Say of each timespan against what its returns are held."""
    return [
        f"Returns of {timespan} bars are held against {name}."
        if name
        else f"Returns of {timespan} bars are held against nothing: there is one symbol alone."
        for timespan, name in backtest.benchmarks.items()
    ]


def _cells(letter: str, row: dict[str, Any]) -> list[str]:
    few = " (few)" if row["few"] else ""
    return [
        *(letter, str(row["group"]), row["timespan"], row["horizon"]),
        *(f"{row['alerts']:,}", f"{row['retracted']:,}", f"{row['outcomes']:,} in {row['sessions']:,}{few}"),
        *(_interval(row, "median"), _percent(row["matched_median"])),
        *(_interval(row, "mean"), _percent(row["matched_mean"])),
        _interval(row, "beyond", digits=0),
        _interval(row, "signed_mean"),
        *(_times(row["volume"]), _times(row["matched_volume"]), f"{row['matched']:,}"),
    ]


def _interval(row: dict[str, Any], name: str, digits: int = 2) -> str:
    value, low, high = (row[part] for part in (name, f"{name}_low", f"{name}_high"))
    if isnan(low):
        return _percent(value, digits)
    return f"{_percent(value, digits)} ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def _percent(value: float, digits: int = 2) -> str:
    return "" if isnan(value) else f"{100 * value:.{digits}f} %"


def _times(value: float) -> str:
    return "" if isnan(value) else f"{value:.2f}"


def _table(texts: Sequence[str], numbers: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]]) -> str:
    """Write a table; a row is its cells, and whether it is grey."""
    head = "".join(f"<th{' class=n' * (at >= len(texts))}>{escape(it)}" for at, it in enumerate([*texts, *numbers]))
    body = [
        f"<tr{' class=few' * grey}>"
        + "".join(f"<td{' class=n' * (at >= len(texts))}>{escape(cell)}" for at, cell in enumerate(cells))
        for cells, grey in rows
    ]
    return f"<table><tr>{head}{''.join(body)}</table>" if body else "<p>Nothing.</p>"


def _describe_data(backtest: Backtest) -> list[str]:
    first, last = backtest.period
    bars = ", ".join(f"{count:,} {timespan} bars" for timespan, count in backtest.bars.items())
    symbols = " ".join(backtest.symbols)
    lines = [f"{bars} of {len(backtest.symbols):,} symbols, {first} to {last}.", *describe_benchmarks(backtest)]
    if len(backtest.symbols) < FEW_SYMBOLS:
        lines.append("Symbols are few: the benchmark is rough, and so is everything that follows.")
    for letter, one in zip("AB", backtest.tried, strict=False):
        lines.append(f"{letter} raises {len(one.alerts):,} alerts. {describe_missing(one)}")
    return [
        *(f"<p>{escape(line)}</p>" for line in lines),
        f"<details><summary>Symbols</summary><pre>{escape(symbols)}</pre></details>",
    ]


def describe_missing(one: Tried) -> str:
    """Say how many abnormal returns are unknown, and why."""
    counts = one.outcomes["missing"].value_counts()
    reasons = [f"{counts[reason]:,} {reason}" for reason in sorted(counts.index) if reason]
    unknown = f"Of {len(one.outcomes):,} outcomes there is no abnormal return for: {', '.join(reasons) or 'none'}."
    if not one.left_out:
        return unknown
    return f"{unknown} {one.left_out:,} alerts more rest on no bar of a symbol (operations, the whole market)."


def _describe_parameters(backtest: Backtest) -> list[str]:
    parts = ["<h2>Parameters</h2>"]
    bases = [_flatten(json.loads(encode_value(one.book.base))) for one in backtest.tried]
    for letter, one, base in zip("AB", backtest.tried, bases, strict=False):
        forms = {name: one.book.base.form_of(name) for name in BAR_RULES["literal"]}
        rules = ", ".join(f"{form} {name} v{BAR_RULES[form][name].version}" for name, form in forms.items())
        written = " and ".join(sorted({*forms.values()}))
        line = f"{letter} is {one.name}, {written}, versions {', '.join(one.versions)}. Rules: {rules}."
        overrides = [f"{it.name} sets {encode_value(it.set)}" for it in one.book.overrides]
        text = "\n".join([*(f"{name}: {value}" for name, value in base.items()), *overrides])
        parts += [f"<p>{escape(line)}</p>", f"<details><summary>All of {letter}</summary>"]
        parts.append(f"<pre>{escape(text)}</pre></details>")
    if len(bases) == 2:
        a, b = bases
        rows = [([it, a.get(it, ""), b.get(it, "")], False) for it in {**a, **b} if a.get(it) != b.get(it)]
        parts += ["<p>Where the two differ, but for overrides:</p>", _table(["parameter"], ["A", "B"], rows)]
    return parts


def _flatten(values: dict[str, Any], before: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        within = f"{before}{name}"
        flat |= _flatten(value, f"{within}.") if isinstance(value, dict) else {within: json.dumps(value)}
    return flat


def _explain(backtest: Backtest) -> list[str]:
    text = EXPLANATION.format(
        benchmark=SPY, usual=USUAL_SESSIONS, fewest=FEWEST_SESSIONS, matches=backtest.matches, seed=backtest.seed,
        resamples=RESAMPLES, small=SMALL_SAMPLE, sessions=FEW_SESSIONS,
    )  # fmt: skip
    return [*(f"<p>{escape(paragraph)}</p>" for paragraph in text.strip().split("\n\n")), FILES]


def _draw(backtest: Backtest, timespan: str) -> bytes:
    """Draw sizes by horizon, their distribution, shares by rule and sizes by rarity as a PNG."""
    # Slow to import, and needed nowhere else. Without pyplot there is neither a window nor a global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9), layout="constrained")
    sizes, spread, rules, rarity = figure.subplots(2, 2).flat
    horizons = [it.name for it in list_horizons(timespan)]
    main = "30 min" if "30 min" in horizons else horizons[0]
    # Both sets share the places of an axis, whichever of them a set has.
    names = sorted({str(rule) for one in backtest.tried for rule in one.alerts["rule"]})
    tenths = [*(str(number) for number in range(1, DECILES + 1)), UNKNOWN]
    for number, one in enumerate(backtest.tried):
        if one.summary.empty:
            continue
        own = one.summary[one.summary["timespan"] == timespan]
        at_main = own[own["horizon"] == main]
        parts = {by: at_main[at_main["by"] == by] for by in BY}
        every = own[own["by"] == "all"]
        _draw_points(sizes, every, every["horizon"].tolist(), horizons, "median", number)
        _draw_points(rules, parts["rule"], parts["rule"]["group"].tolist(), names, "beyond", number)
        groups = parts["rarity"]["group"].tolist()
        places = [UNKNOWN if group == UNKNOWN else str(at) for at, group in enumerate(groups, start=1)]
        _draw_points(rarity, parts["rarity"], places, tenths, "median", number)
        for which, line in ((one.outcomes, "-"), (one.matched, ":")):
            chosen = which[(which["timespan"] == timespan) & (which["horizon"] == main)]["abnormal"].abs().dropna()
            if len(chosen):
                label = f"{'AB'[number]}{'' if line == '-' else ', matched'}"
                x = np.sort(chosen.to_numpy(dtype=float))
                spread.step(100 * x, 1 - np.arange(len(x)) / len(x), line, color=COLOURS[number], label=label)
    sizes.set(title="Median absolute abnormal return, by horizon", ylabel="%")
    spread.set(title=f"Share of absolute abnormal returns above x, {main}", xlabel="%", yscale="log", xscale="symlog")
    spread.set_xlim(left=0)
    rules.set(title=f"Share beyond the matched bars' 95th percentile, {main}", ylabel="%")
    rules.axhline(5, color=CALM, linestyle="--", label="chance")
    rarity.set(title=f"Median absolute abnormal return by tenth of rarity, the rarest last, {main}", ylabel="%")
    for axes in (sizes, spread, rules, rarity):
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=90, metadata={"Software": None})
    return picture.getvalue()


def _draw_points(axes: Axes, rows: pd.DataFrame, groups: list[str], places: list[str], name: str, number: int) -> None:
    """Draw values of a summary with their intervals in percent, and beside medians those of the matched bars.

    Args:
        groups: of each row, the one of ``places`` along the axis that it belongs to.
        number: of the set of parameters.
    """
    at = np.array([places.index(group) for group in groups]) + 0.2 * number
    value, low, high = (100 * rows[part].to_numpy(dtype=float) for part in (name, f"{name}_low", f"{name}_high"))
    reach = np.nan_to_num(np.maximum([value - low, high - value], 0))
    letter, colour = "AB"[number], COLOURS[number]
    axes.errorbar(at, value, reach, fmt="o", capsize=3, color=colour, label=letter)
    if name == "median":
        matched = 100 * rows["matched_median"].to_numpy(dtype=float)
        axes.plot(at, matched, "x", color=colour, alpha=0.6, label=f"{letter}, matched")
    axes.set_xticks(np.arange(len(places)), places, fontsize=8)
