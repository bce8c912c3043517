"""Comparison: how many alerts each of two sets of parameters raises over the same bars, and which only one raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from include.surveillance.detection.episodes import cooldown_ms
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import encode_value
from include.surveillance.detection.positions import iso_date
from include.surveillance.detection.profiles.build import Progress
from include.surveillance.detection.rules.registry import TAILED
from include.surveillance.files.results import make_folder
from include.surveillance.sessions import Sessions
from include.surveillance.studies.calibration import markdown_table
from include.surveillance.studies.evaluation import count_symbol_days
from include.surveillance.studies.forms import count_forms, explain_unjudged
from include.surveillance.studies.recorded import RecordedFiles, Tell, log_line, read_usable
from include.surveillance.studies.replay import firing_columns
from include.surveillance.timespans import SPAN_MS, to_utc

HEADER = ["rule", "form", "alerts A", "alerts B", "A per symbol-day", "B per symbol-day", "only A", "only B"]
SERIES = ["symbol", "timespan", "rule", "direction"]
OVERRIDES = ["of", "override", "sets"]
DIFFERENCES = ["entry", "A", "B", "effect"]
SAMPLES = 20
SymbolDays = Mapping[tuple[str, str], int]
"""(rule, form) -> the symbol-days on which the form judged the rule."""


@dataclass(frozen=True)
class Comparison:
    """The alerts of two sets of parameters.

    Attributes:
        rules: one row per rule and form: ``rule, form, alerts_a, alerts_b, only_a, only_b, per_day_a, per_day_b``; per
            symbol and day on which the form judged the rule.
        only_a, only_b: the episodes that only one of them raises, see ``group_episodes``.
    """

    rules: pd.DataFrame
    only_a: pd.DataFrame
    only_b: pd.DataFrame

    def describe(self) -> list[list[str]]:
        """Return per rule and form the cells of ``HEADER``."""
        return [
            [
                *(row.rule, row.form, f"{row.alerts_a:,}", f"{row.alerts_b:,}"),
                *(f"{row.per_day_a:.3g}", f"{row.per_day_b:.3g}", f"{row.only_a:,}", f"{row.only_b:,}"),
            ]
            for row in self.rules.itertuples()
        ]


def compare_books(
    files: RecordedFiles,
    books: tuple[ParameterBook, ParameterBook],
    out: Path,
    *,
    names: tuple[str, str],
    calendar: str,
    tell: Tell = log_line,
    progress: Progress = lambda stage, done, total: None,
) -> Comparison:
    """Run two sets of parameters over recorded bars and compare what they raise.

    Writes whatif.md, only_a.parquet and only_b.parquet into ``out``.

    Args:
        names: of the books, as the report calls them.
        calendar: of exchange_calendars.
        tell: receives what could not be used of the files.

    Raises:
        ConfigurationError: a file cannot be read or lacks a column, or there is no usable bar.
    """
    robust = any(book.base.uses_profiles for book in books)
    recording = read_usable(files, Sessions(calendar), with_profiles=robust, tell=tell, progress=progress)
    make_folder(out)
    episodes: list[pd.DataFrame] = []
    symbol_days: list[SymbolDays] = []
    unjudged: list[str] = []
    for number, book in enumerate(books):
        progress("detect", number, len(books))
        engine, evaluation = recording.engine(book), recording.evaluate(book)
        episodes.append(group_episodes(pd.DataFrame(firing_columns(evaluation))))
        symbol_days.append({(it.rule, it.form): it.symbol_days for it in count_forms(engine, evaluation)})
        unjudged += [f"{names[number]}: {line}" for line in explain_unjudged(engine, evaluation)]
    for line in unjudged:
        tell(line)
    days = count_symbol_days(recording.bars, recording.sessions).days
    session = evaluation.scan.positions.session
    first, last = iso_date(int(session.min())), iso_date(int(session.max()))
    a, b = episodes
    cooldown_bars = max(book.base.cooldown_bars for book in books)
    comparison = compare_episodes(a, b, cooldown_bars=cooldown_bars, symbol_days=(symbol_days[0], symbol_days[1]))
    about = f"{len(recording.bars):,} bars, {first} to {last}. {days:,} symbol-days."
    write_report(out / "whatif.md", comparison, names=names, about=about, books=books, unjudged=unjudged)
    comparison.only_a.to_parquet(out / "only_a.parquet", index=False)
    comparison.only_b.to_parquet(out / "only_b.parquet", index=False)
    return comparison


def describe_differences(books: tuple[ParameterBook, ParameterBook]) -> list[list[str]]:
    """Return a row for each entry of the base in which two books differ: its values, and whether it can have an effect.

    The limits of a form in which a rule raises no alerts have none.
    """
    a, b = (_list_entries(msgspec.to_builtins(book.base)) for book in books)
    rows = []
    for entry in sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name)):
        robust, _, rest = entry.partition(".")
        form, rule = ("robust", rest.partition(".")[0]) if robust == "robust" else ("literal", robust)
        idle = rule in TAILED and all(book.base.form_of(rule) != form for book in books)
        effect = f"none: {rule} alerts in its {books[0].base.form_of(rule)} form" if idle else ""
        rows.append([entry, *(encode_value(it[entry]) if entry in it else "" for it in (a, b)), effect])
    return rows


def _list_entries(value: object, name: str = "") -> dict[str, object]:
    """Name each value inside mappings by the path that leads to it, parted by dots."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    inner = (_list_entries(it, f"{name}.{key}" if name else str(key)) for key, it in value.items())
    return {path: it for entries in inner for path, it in entries.items()}


def describe_overrides(books: tuple[ParameterBook, ParameterBook]) -> list[list[str]]:
    """Return a row for each override of either book: who has it, what it is, the values that it sets."""
    a, b = ([(one.name, encode_value(one.set)) for one in book.overrides] for book in books)
    every = dict.fromkeys([*a, *b])
    return [["both" if it in a and it in b else "A" if it in a else "B", *it] for it in every]


def compare_episodes(
    a: pd.DataFrame, b: pd.DataFrame, *, cooldown_bars: int, symbol_days: tuple[SymbolDays, SymbolDays]
) -> Comparison:
    """Count the episodes of each, and find those that only one has.

    Both have an episode when the other has one of the same symbol, timespan, rule and direction at most a cooldown
    away: a stricter threshold that fires a few bars later tells of the same event.

    Args:
        a, b: one row per episode, see ``group_episodes``.
        cooldown_bars: the longer one of both sets of parameters.
        symbol_days: of each, the divisor of each rule's and form's alerts.
    """
    only_a, only_b = a[~_near(a, b, cooldown_bars)], b[~_near(b, a, cooldown_bars)]
    episodes = {"alerts_a": a, "alerts_b": b, "only_a": only_a, "only_b": only_b}
    counts = pd.DataFrame({name: frame.groupby(["rule", "form"]).size() for name, frame in episodes.items()})
    rules = counts.fillna(0).astype(int).sort_index().rename_axis(["rule", "form"]).reset_index()
    for side, days in zip("ab", symbol_days, strict=True):
        judged = [days.get(cell, 0) or nan for cell in zip(rules["rule"], rules["form"], strict=True)]
        rules[f"per_day_{side}"] = rules[f"alerts_{side}"] / np.array(judged, dtype=float)
    return Comparison(rules, only_a, only_b)


def group_episodes(firings: pd.DataFrame) -> pd.DataFrame:
    """Return one row per episode, in order of time: ``SERIES``, ``start_ms, last_ms, firings, form, value, threshold``.

    Form, value and threshold are those of the episode's first firing.

    Args:
        firings: ``SERIES``, ``ts_ms, episode_start_ms, form, value, threshold``, one row per firing.
    """
    grouped = firings.sort_values("ts_ms", kind="stable").groupby([*SERIES, "episode_start_ms"], as_index=False)
    episodes = grouped.agg(
        last_ms=("ts_ms", "max"),
        firings=("ts_ms", "size"),
        form=("form", "first"),
        value=("value", "first"),
        threshold=("threshold", "first"),
    )
    episodes = episodes.rename(columns={"episode_start_ms": "start_ms"})
    return episodes.sort_values(["start_ms", *SERIES], ignore_index=True)


def write_report(
    path: Path,
    comparison: Comparison,
    *,
    names: tuple[str, str],
    about: str,
    books: tuple[ParameterBook, ParameterBook],
    unjudged: Sequence[str] = (),
) -> None:
    """Write the comparison as Markdown.

    Args:
        unjudged: a sentence for each part of the bars that rules could not judge.
    """
    differences, overrides = describe_differences(books), describe_overrides(books)
    lines = ["# What if", "", f"A is `{names[0]}`, B is `{names[1]}`. {about}", ""]
    lines += markdown_table(HEADER, comparison.describe())
    if unjudged:
        lines += ["", "What no rule judged cannot differ:", "", *(f"- {line}" for line in unjudged)]
    lines += ["", "## What differs in the parameters", ""]
    lines += markdown_table(DIFFERENCES, differences) if differences else ["No entry of the base."]
    lines += ["", "## Overrides", "", *(markdown_table(OVERRIDES, overrides) if overrides else ["Neither has any."])]
    for name, only in zip("AB", (comparison.only_a, comparison.only_b), strict=True):
        lines += ["", f"## Only {name} raises", ""]
        if only.empty:
            lines.append("Nothing.")
            continue
        if len(only) > SAMPLES:
            lines += [f"{SAMPLES} of {len(only):,}, spread evenly over time.", ""]
        sample = only.iloc[np.unique(np.linspace(0, len(only) - 1, SAMPLES).astype(int))]
        rows = [
            [
                *(f"{to_utc(row.start_ms):%Y-%m-%d %H:%MZ}", row.symbol, f"{row.rule} {row.direction}".rstrip()),
                *(f"{row.value:.6g}", f"{row.threshold:.6g}", str(row.firings)),
            ]
            for row in sample.itertuples()
        ]
        lines += markdown_table(["start", "symbol", "rule", "value", "threshold", "firings"], rows)
    path.write_text("\n".join(lines) + "\n")


def _near(episodes: pd.DataFrame, others: pd.DataFrame, bars_apart: int) -> np.ndarray:
    """Return per episode whether one of ``others`` is at most the cooldown of ``bars_apart`` away."""
    near = np.zeros(len(episodes), dtype=bool)
    rows_of_others = others.groupby(SERIES).indices
    for key, rows in episodes.groupby(SERIES).indices.items():
        if key not in rows_of_others:
            continue
        reach = cooldown_ms(bars_apart, SPAN_MS[key[1]])
        theirs = others.iloc[rows_of_others[key]].sort_values("start_ms")
        starts, lasts = theirs["start_ms"].to_numpy(), np.maximum.accumulate(theirs["last_ms"].to_numpy())
        mine = episodes.iloc[rows]
        latest = np.searchsorted(starts, mine["last_ms"].to_numpy() + reach, side="right") - 1
        near[rows] = (latest >= 0) & (lasts[latest] + reach >= mine["start_ms"].to_numpy())
    return near
