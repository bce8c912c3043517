"""How many injected bursts of volume each form of the rule detects when all may raise equally many alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, nan
from typing import NamedTuple

import numpy as np
import pandas as pd

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.profile_columns import ENOUGH
from include.surveillance.detection.profiles.schedule import walk_forward
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.state import State
from include.surveillance.sessions import Sessions
from tests.benchmarks.episode_counts import Episodes, Statistic, literal_volume, robust_volume
from tests.benchmarks.injection import inject_bursts
from tests.benchmarks.market import columns

PER_SYMBOL_DAY = 2
LAST_MS = 1 << 42
FORMS: dict[str, tuple[RuleForm, bool]] = {
    "robust": ("robust", False),
    "literal": ("literal", False),
    "literal, session reset": ("literal", True),
}
"""Method -> the rule's form, and whether windows restart each day."""
RVOL = "RVOL alone"
METHODS = ("robust", RVOL, "literal", "literal, session reset")


@dataclass(frozen=True)
class Scored:
    """Bars sorted by series and time, and what each method holds against its threshold.

    Attributes:
        judged: bars of symbol-days that have a profile of three sessions or more, bool;
            every method is held to these, -inf elsewhere.
        statistics: method -> its statistic per bar.
        symbol_days: how many are judged.
        slot: time of day, 0 for a session's first bar.
    """

    bars: BarColumns
    judged: np.ndarray
    statistics: dict[str, Statistic]
    symbol_days: int
    slot: np.ndarray

    def episodes(self, method: str) -> Episodes:
        return Episodes(self.bars, self.statistics[method], ParameterBook.default().base.cooldown_bars)

    def times_above(self, method: str, threshold: float) -> dict[str, int]:
        """How many bars exceed a threshold, by where in the session they are."""
        slot, last = self.slot[self.statistics[method].value > threshold], self.slot.max()
        at_open, at_close = int(np.sum(slot == 0)), int(np.sum(slot == last))
        return {"first bar": at_open, "last bar": at_close, "between": len(slot) - at_open - at_close}


class Bursts(NamedTuple):
    """Injected bursts on judged symbol-days: one row each of ``seed, multiple`` and the greatest statistic of every
    method in it."""

    quiet: Scored
    injected: pd.DataFrame


def score(bars: pd.DataFrame, sessions: Sessions) -> Scored:
    """The engine over all bars, each session against profiles of the sessions before it."""
    given, book = columns(bars.sort_values(["symbol", "ts_ms"])), ParameterBook.default()
    robust = Engine(book.replaced(alerting_form="robust"), sessions, profiles=walk_forward(given, sessions))
    against_profiles = _evaluate(robust, given)
    scan, bars_read = against_profiles.scan, against_profiles.bars
    judged = (scan.profile >= 0) & (np.append(against_profiles.profiles.sessions, 0)[scan.profile] >= ENOUGH)
    days = bars_read.code.astype(np.int64)[judged] << 32 | scan.positions.session[judged].astype(np.int64)
    statistics = {RVOL: _rvol(against_profiles, book.base.robust.abnormal_volume.turnover_floor)}
    for method, (form, reset) in FORMS.items():
        evaluation = against_profiles
        if reset:
            # Without profiles: a restart concerns the windows of the literal rules alone.
            engine = Engine(book.replaced(alerting_form="literal", session_reset=True), sessions)
            evaluation = _evaluate(engine, given)
        statistics[method] = robust_volume(evaluation, book.base) if form == "robust" else literal_volume(evaluation)
    statistics = {name: replace(one, value=np.where(judged, one.value, -inf)) for name, one in statistics.items()}
    return Scored(bars_read, judged, statistics, len(np.unique(days)), scan.positions.slot)


def _evaluate(engine: Engine, bars: BarColumns) -> Evaluation:
    state = State("sketch")
    return engine.evaluate(state, bars, state.rows_for(bars.keys))


def _rvol(evaluation: Evaluation, turnover_floor: float) -> Statistic:
    """Return recent volume over the usual at this time of day: the robust form without level and dispersion."""
    measures = evaluation.measures
    rvol, turnover = measures["rvol"], measures["recent_volume"] * evaluation.bars.close
    return Statistic(np.where(turnover > turnover_floor, rvol, -inf), np.zeros(len(rvol), dtype=bool))


def measure(bars: pd.DataFrame, sessions: Sessions, *, seeds: Sequence[int], multiples: Iterable[float]) -> Bursts:
    """Inject bursts of each multiple alone with each seed, and score every copy as if it had been recorded so."""
    quiet, tables = score(bars, sessions), []
    for seed in seeds:
        for multiple in multiples:
            injected, labels = inject_bursts(bars, seed=seed, per_symbol_day=PER_SYMBOL_DAY, multiples=(multiple,))
            scored = score(injected, sessions)
            code = {symbol: number for number, (symbol, _) in enumerate(scored.bars.keys)}
            order = scored.bars.code.astype(np.int64) * LAST_MS + scored.bars.ts
            series = labels["symbol"].map(code).to_numpy(np.int64) * LAST_MS
            first = np.searchsorted(order, series + labels["start_ms"].to_numpy())
            last = np.searchsorted(order, series + labels["end_ms"].to_numpy(), side="right")
            first, last = first[scored.judged[first]], last[scored.judged[first]]
            tables.append(
                pd.DataFrame(
                    {"seed": seed, "multiple": multiple}
                    | {
                        method: [one.value[a:b].max() for a, b in zip(first, last, strict=True)]
                        for method, one in scored.statistics.items()
                    }
                )
            )
    return Bursts(quiet, pd.concat(tables, ignore_index=True))


def threshold(markets: Sequence[Scored], method: str, budget: float) -> float:
    """The smallest value of the statistic from which on none raises more than ``budget`` episodes per symbol-day."""
    affordable = budget * sum(market.symbol_days for market in markets)
    episodes = [market.episodes(method) for market in markets]
    values = np.concatenate([market.statistics[method].value for market in markets])
    chosen = nan
    for value in np.unique(values[np.isfinite(values)])[::-1]:
        if sum(one.count(value) for one in episodes) > affordable:
            break
        chosen = float(value)
    return chosen


def own_thresholds(files: Mapping[str, Bursts], budget: float) -> dict[str, dict[str, float]]:
    """File -> method -> threshold."""
    return {name: {method: threshold([one.quiet], method, budget) for method in METHODS} for name, one in files.items()}


def hits(files: Mapping[str, Bursts], thresholds: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """One row per burst: ``file, seed, multiple`` and per method whether it exceeds the file's threshold."""
    tables = [
        one.injected.assign(
            file=name, **{method: one.injected[method] > thresholds[name][method] for method in METHODS}
        )
        for name, one in files.items()
    ]
    return pd.concat(tables, ignore_index=True)
