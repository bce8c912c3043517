"""The search for thresholds: each is tried, its alerts are counted, the smallest within the budget is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor, inf, isnan, log10, nan

import numpy as np
import pandas as pd

from include.surveillance.detection.profiles.build import Progress

POINTS = 16
"""Thresholds on the way down, beside the greatest value and 0."""
EXCEEDED = 2
"""The way down ends after so many thresholds that raise too much: a curve shows what smaller ones would raise."""
TRIES = POINTS + 16
"""The most trials of one rule and bucket: ten halvings are three digits within a decade."""

Cell = tuple[str, str]
"""A rule and a bucket of liquidity, ``all`` for every symbol."""
CountAlerts = Callable[[Mapping[Cell, float]], Mapping[Cell, int]]
"""Thresholds -> alerts of every cell; a cell that is not named keeps its present threshold."""


@dataclass(frozen=True)
class Subject:
    """A rule and a bucket whose threshold is searched.

    Attributes:
        field: the parameter that is the threshold.
        thresholds: to try on the way down, falling; see ``list_thresholds``.
        symbol_days: the divisor of alerts.
        current, current_alerts: the present threshold, and how many alerts it raises.
    """

    rule: str
    bucket: str
    field: str
    thresholds: tuple[float, ...]
    symbol_days: int
    current: float
    current_alerts: int

    @property
    def cell(self) -> Cell:
        return self.rule, self.bucket


@dataclass(frozen=True)
class Choice:
    """The threshold chosen for a subject; all alerts are per symbol and day.

    Attributes:
        curve: all trials: ``threshold`` (rising), ``alerts``.
        chosen: the smallest threshold tried from which on all greater ones tried keep within the budget; NaN when none
            does, or all do (a buffer of 0, the rule as it is meant, is chosen then).
        chosen_alerts: the alerts that are raised with the chosen thresholds of all rules and buckets at once.
    """

    subject: Subject
    curve: pd.DataFrame
    chosen: float
    chosen_alerts: float

    def describe(self) -> list[str]:
        """Return the cells of ``HEADER``."""
        it, proposed = self.subject, "nothing" if isnan(self.chosen) else f"{self.chosen:g}"
        now = [f"{it.current:g}", f"{it.current_alerts / it.symbol_days:.3g}"]
        return [it.rule, it.bucket, it.field, *now, proposed, f"{self.chosen_alerts:.3g}"]


HEADER = ["rule", "bucket", "parameter", "now", "alerts now", "proposed", "alerts proposed"]


def calibrate(
    subjects: Iterable[Subject],
    count_alerts: CountAlerts,
    *,
    budget: float,
    progress: Progress = lambda stage, done, total: None,
) -> list[Choice]:
    """Try thresholds of all subjects at once, which must not depend on each other, until each has its choice.

    The last trial holds all choices together; a choice that exceeds the budget in it is raised, and tried again.

    Args:
        budget: alerts of one rule per symbol and day, above 0.
    """
    searches = {it.cell: _Search(it, budget * it.symbol_days) for it in subjects}
    trials = 0
    while True:
        next_thresholds = {cell: search.next() for cell, search in searches.items()}
        settled = all(threshold is None for threshold in next_thresholds.values())
        given = {
            cell: searches[cell].chosen if threshold is None else threshold
            for cell, threshold in next_thresholds.items()
        }
        trial = {cell: threshold for cell, threshold in given.items() if threshold is not None}
        counts = count_alerts(trial)
        trials += 1
        progress("try thresholds", trials, max(TRIES + 1, trials))
        for cell, threshold in trial.items():
            if settled or next_thresholds[cell] is not None:
                searches[cell].add(threshold, counts[cell])
        if settled and all(search.chosen == given[cell] for cell, search in searches.items()):
            return [search.make_choice(counts[cell]) for cell, search in searches.items()]


def list_thresholds(values: np.ndarray, affordable: float) -> tuple[float, ...]:
    """List the thresholds to try, greatest first, the last one 0; none when no value can exceed a threshold.

    Args:
        values: the statistic of each bar that is compared with the threshold; only finite ones above 0 count.
        affordable: alerts. After the greatest value comes the one that as many bars exceed: no greater one can raise
            too much. From there on ranks grow by a factor.
    """
    values = np.sort(values[(values > 0) & (values < inf)])[::-1]
    if not len(values):
        return ()
    first = min(int(affordable) + 1, len(values))
    ranks = np.unique([1, *np.geomspace(first, len(values), POINTS).astype(int)]) - 1
    return tuple(sorted({0.0, *map(_rounded_up, values[ranks].tolist())}, reverse=True))


class _Search:
    """Goes down from the greatest threshold until too much is raised, then by halves between the last two."""

    def __init__(self, subject: Subject, affordable: float):
        self.subject, self.affordable = subject, affordable
        self.left = list(subject.thresholds)
        self.tried: dict[float, int] = {}
        # The greatest threshold that raises too much, and how many thresholds did.
        self.floor, self.exceeded = -inf, 0

    def next(self) -> float | None:
        """Return the threshold to try, None when no further one can change the choice."""
        if self.left and self.exceeded < EXCEEDED:
            return self.left.pop(0)
        above = self._above_floor()
        if self.floor == -inf or above is None or len(self.tried) >= TRIES:
            return None
        middle = _rounded_up((self.floor + above) / 2)
        return middle if self.floor < middle < above else None

    def add(self, threshold: float, alerts: int) -> None:
        self.tried[threshold] = alerts
        if alerts > self.affordable:
            self.floor = max(self.floor, threshold)
            self.exceeded += 1

    @property
    def chosen(self) -> float | None:
        above = self._above_floor()
        return None if above == 0 and self.subject.field != "buffer" else above

    def make_choice(self, alerts: int) -> Choice:
        chosen, days = self.chosen, self.subject.symbol_days
        curve = pd.DataFrame(sorted(self.tried.items()), columns=["threshold", "alerts"])
        curve["alerts"] /= days
        return Choice(self.subject, curve, nan if chosen is None else chosen, alerts / days)

    def _above_floor(self) -> float | None:
        return min((threshold for threshold in self.tried if threshold > self.floor), default=None)


def _rounded_up(value: float) -> float:
    """Round up to three significant digits."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (floor(log10(value)) - 2)
    return float(f"{ceil(value / step - 1e-9) * step:.12g}")
