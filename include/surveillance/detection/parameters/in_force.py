"""Parameters as the bars of one pass need them: one number for all, or one per bar where somebody has an exception."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from include.surveillance.detection.parameters.book import ParameterBook, Parameters
from include.surveillance.detection.positions import date_ordinal
from include.surveillance.records import Profile


class Limits:
    """A book of parameters, resolved by date, symbol and profile, each combination once."""

    def __init__(self, book: ParameterBook, profiles: Sequence[Profile]):
        self.book, self.profiles = book, profiles
        self._regimes = np.array([date_ordinal(date) for date in book.regimes[1:]], dtype=np.int64)
        self._varied = {
            (override.form or "literal", override.rule, field) for override in book.overrides for field in override.set
        }
        self._known: dict[tuple[int, str, int], Parameters] = {}
        self._versions = [book.version(date) for date in book.regimes]

    def version(self, date: int) -> str:
        """Of what is in force at a New York date, as days from 1970-01-01."""
        return self._versions[int(np.searchsorted(self._regimes, date, side="right"))]

    def resolve(self, date: int, symbol: str, profile: int) -> Parameters:
        """What holds for one symbol at a date; ``profile`` is an index, -1 for none."""
        return self._resolve(int(np.searchsorted(self._regimes, date, side="right")), symbol, profile)

    def of(self, form: str, rule: str, field: str, symbols: Sequence[str], lo, hi, date, profile) -> float | np.ndarray:
        """One field of a rule for segments [lo, hi) of bars, one symbol each."""
        if (form, rule, field) not in self._varied:
            return self._field(self.book.base, form, rule, field)
        regime = np.searchsorted(self._regimes, date, side="right")
        found = np.empty(len(date))
        for symbol, start, stop in zip(symbols, lo.tolist(), hi.tolist(), strict=True):
            while start < stop:
                # Both only ever rise within a series, so equal ends are equal all along.
                end = stop
                if regime[start] != regime[stop - 1] or profile[start] != profile[stop - 1]:
                    same = (regime[start:stop] == regime[start]) & (profile[start:stop] == profile[start])
                    end = start + int(np.argmin(same))
                parameters = self._resolve(int(regime[start]), symbol, int(profile[start]))
                found[start:end] = self._field(parameters, form, rule, field)
                start = end
        return found

    def _resolve(self, regime: int, symbol: str, profile: int) -> Parameters:
        key = (regime, symbol, profile)
        if key not in self._known:
            of = self.profiles[profile] if profile >= 0 else None
            asset_class, liquidity = (of.asset_class, of.liquidity) if of else ("", "")
            self._known[key] = self.book.resolve_for(self.book.regimes[regime], symbol, asset_class, liquidity)
        return self._known[key]

    @staticmethod
    def _field(parameters: Parameters, form: str, rule: str, field: str) -> float:
        return getattr(getattr(parameters.robust if form == "robust" else parameters, rule), field)
