"""One recording at several budgets: what the product raises, and the yardsticks with as many alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from msgspec.structs import replace

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.sessions import Sessions
from include.surveillance.studies.recorded import RecordedFiles, Recording, read_recording
from include.surveillance.studies.replay import Run, run_rules
from include.surveillance.timespans import DAY_MS, SPAN_MS
from tests.benchmarks.episode_counts import Statistic
from tests.benchmarks.scorecard.raised import SINGLE, list_raised, mark_firings, place_alerts
from tests.benchmarks.scorecard.recorded_days import AlertDays, RecordedDays
from tests.benchmarks.scorecard.yardsticks import measure_yardsticks, spend

PRODUCT = "product"


def set_budget(alerts: float) -> ParameterBook:
    """Return the shipped parameters with another budget, in robust form."""
    book = ParameterBook.default()
    budget = replace(book.base.budget, alerts_per_symbol_session=alerts)
    return book.replaced(alerting_form="robust", budget=budget)


@dataclass(frozen=True)
class Recorded:
    """Recorded bars of one timespan with profiles before each session, and what does not depend on the budget."""

    recording: Recording
    sessions: Sessions

    @classmethod
    def read(cls, bars: Path, sessions: Sessions, **side_files: Path) -> Recorded:
        return cls(read_recording(RecordedFiles(bars, **side_files), sessions, with_profiles=True), sessions)

    def run(self, budget: float) -> Raised:
        """Return what the product raises at a budget of alerts per symbol and session."""
        run = run_rules(self.recording, set_budget(budget))
        return Raised(budget, run, RecordedDays.of(run.evaluation.scan, self.sessions), list_raised(run.alerts()))


@dataclass(frozen=True)
class Raised:
    """What the product raised at one budget.

    Attributes:
        alerts: as ``list_raised`` gives them.
    """

    budget: float
    run: Run
    days: RecordedDays
    alerts: pd.DataFrame

    @cached_property
    def placed(self) -> tuple[AlertDays, AlertDays]:
        return place_alerts(self.alerts, self.days)

    @property
    def bars(self) -> BarColumns:
        return self.run.evaluation.scan.bars

    @cached_property
    def cooldown_bars(self) -> int:
        """Return up to how many bars apart a yardstick's firings are one alert: each day of day bars is its own."""
        daily = all(SPAN_MS[timespan] == DAY_MS for _, timespan in self.bars.keys)
        return 0 if daily else self.run.engine.book.base.cooldown_bars

    @cached_property
    def fires(self) -> np.ndarray:
        """Say of each bar whether an alert that is told on its own fired at it."""
        return mark_firings(self.run, self.alerts, [SINGLE])

    def yardsticks(self) -> dict[str, Statistic]:
        """Return each yardstick's statistic on judged days, -inf on others."""
        scan = self.run.evaluation.scan
        code = np.repeat(np.arange(len(scan.segments.end)), scan.segments.end - scan.segments.start)
        judged = self.days.judged[self.days.of_bar]
        return {
            name: Statistic(np.where(judged, one.value, -inf), one.side)
            for name, one in measure_yardsticks(code, scan.close, scan.volume).items()
        }


class Held(NamedTuple):
    """The alerts of the product and of each yardstick on judged days, equally many, by method.

    Attributes:
        thresholds: of the yardsticks.
    """

    alerts: dict[str, AlertDays]
    thresholds: dict[str, float]


def hold_against(raised: Raised, yardsticks: Mapping[str, Statistic]) -> Held:
    """Let every yardstick raise as many alerts on judged days as the product does."""
    product = raised.placed[1]
    alerts, thresholds = {PRODUCT: product}, {}
    for name, statistic in yardsticks.items():
        spending = spend(raised.bars, statistic, len(product.key), cooldown_bars=raised.cooldown_bars)
        alerts[name] = AlertDays(raised.days.key[raised.days.of_bar[spending.bars]])
        thresholds[name] = spending.threshold
    return Held(alerts, thresholds)


def find_fires(
    raised: Raised, yardsticks: Mapping[str, Statistic], thresholds: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """Return for each method the bars that fire, bool."""
    return {PRODUCT: raised.fires} | {name: one.value >= thresholds[name] for name, one in yardsticks.items()}


def count_inside(fires: np.ndarray, first: np.ndarray, last: np.ndarray) -> int:
    """Count the stretches [first, last) of bars in which one fires."""
    before = np.concatenate([[0], np.cumsum(fires)])
    return int(np.count_nonzero(before[last] > before[first]))
