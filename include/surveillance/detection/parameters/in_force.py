"""Parameters in force: what the bars of one pass are held against, by date, symbol and profile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from math import isnan

import numpy as np

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.positions import date_ordinal
from include.surveillance.detection.profile_columns import LIQUIDITY, ProfileColumns
from include.surveillance.detection.rules.bar_rule import BarRule, Limits
from include.surveillance.detection.scan import Scan
from include.surveillance.detection.tails import find_levels, tail_numbers


class ParametersInForce:
    """Resolves a book of parameters, each combination of date, symbol and profile once."""

    def __init__(self, book: ParameterBook, profiles: ProfileColumns, tailed: Sequence[str]):
        self.book, self.profiles, self._tailed = book, profiles, list(tailed)
        self._regimes = [date_ordinal(date) for date in book.regimes[1:]]
        self._varied = {(*override.target[2:], field) for override in book.overrides for field in override.set}
        self._known_levels: dict[tuple[str, bool], np.ndarray] = {}
        self._known: dict[tuple[int, str, int], Parameters] = {}
        self._versions = [book.version(date) for date in book.regimes]

    def version(self, date: int) -> str:
        """Return the version of what is in force at a New York date, in days from 1970-01-01."""
        return self._versions[self._regime(date)]

    def resolve(self, date: int, symbol: str, profile: int) -> Parameters:
        """Return what holds for one symbol at a date; ``profile`` is an index, -1 for none."""
        return self._resolve(self._regime(date), symbol, profile)

    def limits(self, rule: BarRule, scan: Scan) -> Limits:
        """Return the limits of a rule of the base at all bars of a scan."""
        return partial(self._at_bars, rule, scan)

    def limits_at(self, rule: BarRule, scan: Scan, index: int) -> Callable[[str], float]:
        """Return the limits of a rule of the base at one bar."""
        return partial(self._at_bar, rule, scan, index)

    def _at_bar(self, rule: BarRule, scan: Scan, index: int, field: str) -> float:
        date, (symbol, _), profile = int(scan.positions.date[index]), scan.bars.key(index), int(scan.profile[index])
        value = float(_field(self.resolve(date, symbol, profile), rule, field))
        if profile < 0 or not self._follows_budget(rule, field):
            return value
        level = self._levels(rule.name, bool(scan.positions.regular[index]))[profile]
        return float(raise_floor(value, level, _default(rule, field)))

    def _at_bars(self, rule: BarRule, scan: Scan, field: str) -> np.ndarray:
        values = self._set_at_bars(rule, scan, field)
        if not self._follows_budget(rule, field):
            return values
        regular, around = (self._levels(rule.name, part) for part in (True, False))
        # The last, of no profile, knows no tail.
        level = np.where(scan.positions.regular, regular[scan.profile], around[scan.profile])
        return raise_floor(values, level, _default(rule, field))

    def _follows_budget(self, rule: BarRule, field: str) -> bool:
        return rule.form == "robust" and field == rule.threshold and rule.name in self._tailed

    def _levels(self, rule: str, regular: bool) -> np.ndarray:
        """Return of each profile the score that the budget allows a rule to exceed, NaN where none is known."""
        key = rule, regular
        if key not in self._known_levels:
            tail = int(tail_numbers(self._tailed.index(rule), np.array([regular]))[0])
            levels, known = self.profiles.levels, np.full(len(self.profiles) + 1, np.nan)
            period = self.book.base.budget.period(rule)
            if levels.shape[1] and not isnan(period):
                known[:-1] = find_levels(levels, tail, period)
            self._known_levels[key] = known
        return self._known_levels[key]

    def _set_at_bars(self, rule: BarRule, scan: Scan, field: str) -> np.ndarray:
        if (rule.form, rule.name, field) not in self._varied:
            # One number for all bars, without a copy per bar; numpy.broadcast_to takes as long as a kernel.
            return np.ndarray(len(scan), float, np.array(_field(self.book.base, rule, field), float), strides=(0,))
        code, profile = scan.bars.code, scan.profile
        regime = np.searchsorted(self._regimes, scan.positions.date, side="right")
        changes = np.ones(len(scan), np.bool_)
        # Of a profile only what overrides can name matters, and its code stands for the asset class.
        bucket = np.append(len(LIQUIDITY) * self.profiles.code + self.profiles.liquidity, np.int32(-1))[profile]
        changes[1:] = (code[1:] != code[:-1]) | (regime[1:] != regime[:-1]) | (bucket[1:] != bucket[:-1])
        first = np.flatnonzero(changes)
        alike = zip(code[first].tolist(), regime[first].tolist(), profile[first].tolist(), strict=True)
        values = [_field(self._resolve(when, scan.bars.keys[key][0], known), rule, field) for key, when, known in alike]
        return np.repeat(np.array(values, dtype=float), np.diff(first, append=len(scan)))

    def _regime(self, date: int) -> int:
        return bisect_right(self._regimes, date)

    def _resolve(self, regime: int, symbol: str, profile: int) -> Parameters:
        key = (regime, symbol, profile)
        if key not in self._known:
            asset_class, liquidity = self.profiles.describe(profile) if profile >= 0 else ("", "")
            self._known[key] = self.book.resolve_for(self.book.regimes[regime], symbol, asset_class, liquidity)
        return self._known[key]


def raise_floor(value: np.ndarray | float, level: np.ndarray | float, default: float) -> np.ndarray:
    """Return the limit in force: the level that the budget asks for, or a value that somebody has set above it.

    Args:
        value: that is set. The rule's own default counts only where the level is NaN, not known, also where somebody
            has written it down: parameters of equal values have one version, and so raise the same alerts.
    """
    return np.where(np.isnan(level), value, np.maximum(level, np.where(value == default, 0.0, value)))


def _default(rule: BarRule, field: str) -> float:
    return getattr(type(rule)(), field)


def _field(parameters: Parameters, rule: BarRule, field: str) -> float:
    return getattr(getattr(parameters.in_form(rule.form), rule.name), field)
