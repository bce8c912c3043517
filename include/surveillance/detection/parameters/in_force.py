"""Parameters in force: what the bars of one pass are held against, by date, symbol and profile."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.parameters.values import Parameters
from include.surveillance.detection.positions import date_ordinal
from include.surveillance.detection.rules.bar_rule import BarRule, Limits
from include.surveillance.detection.scan import Scan
from include.surveillance.records import Profile


class ParametersInForce:
    """Resolves a book of parameters, each combination of date, symbol and profile once."""

    def __init__(self, book: ParameterBook, profiles: Sequence[Profile]):
        self.book, self.profiles = book, profiles
        self._regimes = [date_ordinal(date) for date in book.regimes[1:]]
        self._varied = {(*override.target[2:], field) for override in book.overrides for field in override.set}
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
        date, (symbol, _) = int(scan.positions.date[index]), scan.bars.key(index)
        return _field(self.resolve(date, symbol, int(scan.profile[index])), rule, field)

    def _at_bars(self, rule: BarRule, scan: Scan, field: str) -> np.ndarray:
        if (rule.form, rule.name, field) not in self._varied:
            # One number for all bars, without a copy per bar; numpy.broadcast_to takes as long as a kernel.
            return np.ndarray(len(scan), float, np.array(_field(self.book.base, rule, field), float), strides=(0,))
        code, profile = scan.bars.code, scan.profile
        regime = np.searchsorted(self._regimes, scan.positions.date, side="right")
        changes = np.ones(len(scan), np.bool_)
        changes[1:] = (code[1:] != code[:-1]) | (regime[1:] != regime[:-1]) | (profile[1:] != profile[:-1])
        first = np.flatnonzero(changes)
        alike = zip(code[first].tolist(), regime[first].tolist(), profile[first].tolist(), strict=True)
        values = [_field(self._resolve(when, scan.bars.keys[key][0], known), rule, field) for key, when, known in alike]
        return np.repeat(np.array(values, dtype=float), np.diff(first, append=len(scan)))

    def _regime(self, date: int) -> int:
        return bisect_right(self._regimes, date)

    def _resolve(self, regime: int, symbol: str, profile: int) -> Parameters:
        key = (regime, symbol, profile)
        if key not in self._known:
            known = self.profiles[profile] if profile >= 0 else None
            asset_class, liquidity = (known.asset_class, known.liquidity) if known else ("", "")
            self._known[key] = self.book.resolve_for(self.book.regimes[regime], symbol, asset_class, liquidity)
        return self._known[key]


def _field(parameters: Parameters, rule: BarRule, field: str) -> float:
    return getattr(getattr(parameters.in_form(rule.form), rule.name), field)
