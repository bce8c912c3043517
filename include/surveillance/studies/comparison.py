"""Two sets of parameters over the same bars: how many alerts each raises, and which only one of them does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from include.surveillance.records import SPAN_MS
from include.surveillance.studies.calibration import table

SERIES = ["symbol", "timespan", "rule", "direction"]
SAMPLES = 20


@dataclass(frozen=True)
class Comparison:
    """``rules`` has one row per rule: ``rule, alerts_a, alerts_b, per_day_a, per_day_b, only_a, only_b``;
    ``only_a`` and ``only_b`` are episodes, see ``episodes``."""

    rules: pd.DataFrame
    only_a: pd.DataFrame
    only_b: pd.DataFrame


def compare(a: pd.DataFrame, b: pd.DataFrame, *, cooldown_bars: tuple[int, int], symbol_days: int) -> Comparison:
    """What each raises.

    An alert is raised by both when the other has one of the same symbol, timespan, rule and direction at most a
    cooldown away: a stricter threshold that fires a few bars later tells of the same event.

    Args:
        a, b: one row per episode, see ``episodes``.
        cooldown_bars: of each set of parameters.
    """
    apart = max(cooldown_bars)
    only_a, only_b = a[~_met(a, b, apart)], b[~_met(b, a, apart)]
    rows = []
    for rule in sorted({*a["rule"], *b["rule"]}):
        in_a, in_b, without_b, without_a = (int((frame["rule"] == rule).sum()) for frame in (a, b, only_a, only_b))
        per_day = [count / symbol_days if symbol_days else float("nan") for count in (in_a, in_b)]
        rows.append([rule, in_a, in_b, *per_day, without_b, without_a])
    columns = ["rule", "alerts_a", "alerts_b", "per_day_a", "per_day_b", "only_a", "only_b"]
    return Comparison(pd.DataFrame(rows, columns=columns), only_a, only_b)


def episodes(firings: pd.DataFrame) -> pd.DataFrame:
    """One row per episode, in the order of time: ``SERIES``, ``start_ms, last_ms, firings, value, threshold`` (of its
    first firing).

    Args:
        firings: ``SERIES``, ``ts_ms, episode_start_ms, value, threshold``, one row per firing.
    """
    grouped = firings.sort_values("ts_ms", kind="stable").groupby([*SERIES, "episode_start_ms"], as_index=False)
    found = grouped.agg(
        last_ms=("ts_ms", "max"), firings=("ts_ms", "size"), value=("value", "first"), threshold=("threshold", "first")
    )
    return found.rename(columns={"episode_start_ms": "start_ms"}).sort_values(["start_ms", *SERIES], ignore_index=True)


def write_report(path: Path, found: Comparison, *, names: tuple[str, str], symbol_days: int, about: str) -> None:
    """Markdown."""
    cells = []
    for row in found.rules.itertuples():
        counts = [f"{count:,}" for count in (row.alerts_a, row.alerts_b, row.only_a, row.only_b)]
        cells.append([row.rule, *counts[:2], f"{row.per_day_a:.3g}", f"{row.per_day_b:.3g}", *counts[2:]])
    header = ["rule", "alerts A", "alerts B", "A per symbol-day", "B per symbol-day", "only A", "only B"]
    lines = ["# What if", "", f"A is `{names[0]}`, B is `{names[1]}`. {about} {symbol_days:,} symbol-days.", ""]
    lines += table(header, cells)
    for name, only in zip("AB", (found.only_a, found.only_b), strict=True):
        lines += ["", f"## Only {name} raises", ""]
        if only.empty:
            lines.append("Nothing.")
            continue
        if len(only) > SAMPLES:
            lines += [f"{SAMPLES} of {len(only):,}, spread evenly over time.", ""]
        lines += table(
            ["start", "symbol", "rule", "value", "threshold", "firings"], [_row(row) for row in _sample(only)]
        )
    path.write_text("\n".join(lines) + "\n")


def _sample(frame: pd.DataFrame) -> list:
    chosen = np.unique(np.linspace(0, len(frame) - 1, SAMPLES).astype(int))
    return list(frame.iloc[chosen].itertuples())


def _row(row) -> list[str]:
    start = datetime.fromtimestamp(row.start_ms / 1000, UTC)
    rule = f"{row.rule} {row.direction}".rstrip()
    return [f"{start:%Y-%m-%d %H:%MZ}", row.symbol, rule, f"{row.value:.6g}", f"{row.threshold:.6g}", str(row.firings)]


def _met(of: pd.DataFrame, other: pd.DataFrame, apart_bars: int) -> np.ndarray:
    """Per episode whether ``other`` has one at most ``apart_bars`` away."""
    met = np.zeros(len(of), dtype=bool)
    there = other.groupby(SERIES).indices
    for key, here in of.groupby(SERIES).indices.items():
        if key not in there:
            continue
        reach = apart_bars * SPAN_MS[key[1]]
        theirs = other.iloc[there[key]].sort_values("start_ms")
        starts, lasts = theirs["start_ms"].to_numpy(), np.maximum.accumulate(theirs["last_ms"].to_numpy())
        mine = of.iloc[here]
        latest = np.searchsorted(starts, mine["last_ms"].to_numpy() + reach, side="right") - 1
        met[here] = (latest >= 0) & (lasts[latest] + reach >= mine["start_ms"].to_numpy())
    return met
