"""Thresholds from an alert budget: how many alerts each threshold would raise, and the smallest that is affordable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, inf, isnan, log10, nan

import numpy as np
import pandas as pd

from .detection.columns import BarColumns
from .detection.parameters import Form, Parameters
from .errors import ConfigurationError
from .sweeping import Episodes, statistic

POINTS = 50
FIELDS: dict[Form, dict[str, str]] = {
    "literal": {
        "abnormal_volume": "multiple",
        "volatility_spike": "multiple",
        "price_breakout": "buffer",
        "price_gap": "limit",
    },
    "robust": {
        "abnormal_volume": "z",
        "volatility_spike": "multiple",
        "price_breakout": "buffer",
        "price_gap": "limit",
    },
}
"""The threshold of each rule that is swept: everything else about the rule stays as it is."""


@dataclass(frozen=True)
class Choice:
    """One rule for one liquidity bucket.

    Attributes:
        rule, bucket: ``liquid``, ``mid``, ``thin``, or ``all``.
        field: the parameter that is swept.
        curve: ``threshold`` (rising), ``alerts`` per symbol and day.
        symbol_days: what alerts are divided by.
        current, current_alerts: the threshold now, and what it raises.
        chosen, chosen_alerts: the smallest threshold that stays within the budget; NaN when none does, or all do.
    """

    rule: str
    bucket: str
    field: str
    curve: pd.DataFrame
    symbol_days: int
    current: float
    current_alerts: float
    chosen: float
    chosen_alerts: float


def calibrate(
    bars: BarColumns,
    measures: Mapping[str, np.ndarray],
    session: np.ndarray,
    bucket: np.ndarray,
    *,
    form: Form,
    budget: float,
    current: Mapping[str, Parameters],
) -> list[Choice]:
    """The curve and the chosen threshold of every rule in every bucket.

    Args:
        bars: sorted by series and time.
        measures: one float per bar and measure, NaN: not applicable.
        session: per bar its session, int32.
        bucket: per bar the place of its bucket in ``current``, -1: not to be counted.
        budget: alerts of one rule per symbol and day.
        current: bucket -> the parameters that hold there now.

    Raises:
        ConfigurationError: the budget is not above zero, or no bar can be counted.
    """
    if not 0 < budget < inf:
        raise ConfigurationError(f"the budget is {budget}; give alerts per symbol and day, above 0, e.g. 0.1")
    if not (bucket >= 0).any():
        raise ConfigurationError(
            "no bar can be calibrated: in robust form a symbol needs a profile, which takes sessions before it; give "
            "more bars or use --rules literal"
            if form == "robust"
            else "there are no usable bars to calibrate on"
        )
    choices = []
    for place, (name, parameters) in enumerate(current.items()):
        rows = np.flatnonzero(bucket == place)
        if not len(rows):
            continue
        part, measured = bars.take(rows), {key: values[rows] for key, values in measures.items()}
        days = len(np.unique(part.code.astype(np.int64) << 32 | session[rows].astype(np.int64)))
        of_form = parameters.robust if form == "robust" else parameters
        for rule, field in FIELDS[form].items():
            found = statistic(rule, form, of_form, part, measured)
            episodes = Episodes(part, found, parameters.cooldown_bars)
            now = float(getattr(getattr(of_form, rule), field))
            thresholds = _grid(found.value, now)
            counts = np.array([episodes.count(threshold) for threshold in thresholds])
            # A buffer of 0 is the rule as it is meant; any other threshold of 0 is none.
            least = 0.0 if field == "buffer" and (found.value > -inf).any() else nan
            chosen = _choose(episodes, thresholds, counts, budget * days, least)
            curve = pd.DataFrame({"threshold": thresholds, "alerts": counts / days})
            chosen_alerts = nan if isnan(chosen) else episodes.count(chosen) / days
            choices.append(
                Choice(rule, name, field, curve, days, now, episodes.count(now) / days, chosen, chosen_alerts)
            )
    return choices


def _grid(value: np.ndarray, now: float) -> np.ndarray:
    """Rising thresholds: 0, the current one, and values at ranks that grow by a factor."""
    values = np.sort(value[(value > 0) & (value < inf)])[::-1]
    if not len(values):
        return np.unique([0.0, now])
    ranks = np.unique(np.geomspace(1, len(values), POINTS).astype(int)) - 1
    return np.unique(np.concatenate([[0.0, now], values[ranks]]))


def _choose(episodes: Episodes, thresholds: np.ndarray, counts: np.ndarray, affordable: float, least: float) -> float:
    """The smallest threshold from which on none raises too much, to three significant digits, rounded up; ``least``
    when no threshold does."""
    dear = np.flatnonzero(counts > affordable)
    if not len(dear):
        return least
    if dear[-1] == len(thresholds) - 1:
        return nan
    low, high = thresholds[dear[-1]], thresholds[dear[-1] + 1]
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if episodes.count(middle) > affordable else (low, middle)
    rounded = _rounded_up(high)
    while episodes.count(rounded) > affordable:
        rounded = _rounded_up(rounded * 1.001)
    return rounded


def _rounded_up(value: float) -> float:
    if value <= 0:
        return 0.0
    step = 10.0 ** (floor(log10(value)) - 2)
    return float(f"{ceil(value / step - 1e-9) * step:.12g}")
