"""Corporate actions as they stood at each date: splits, dividends, tickers given up."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import TypeVar

import numpy as np

from include.surveillance.detection.positions import date_ordinal
from include.surveillance.records import Dividend, Split, TickerChange

T = TypeVar("T")


@dataclass(frozen=True)
class CorporateActions:
    """All corporate actions that are known; announced ones count from their date on.

    Ordinals are days since 1970-01-01, New York. Of two records with one ``event_id`` the later in the sequence counts,
    as it does in the log.
    """

    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = ()
    ticker_changes: tuple[TickerChange, ...] = ()

    def has_splits(self, symbol: str) -> bool:
        """Whether ``share_factor`` is ever other than 1."""
        return symbol in self._factors

    def share_factor(self, symbol: str, session_dates: np.ndarray) -> np.ndarray:
        """Count the shares on each date that one share of the beginning has become.

        Raw price x factor and raw volume / factor are comparable over time. A split counts from its execution date
        on, so later ones never change what was before. Exactly 1.0 everywhere for a symbol without splits.

        Args:
            session_dates: ordinals, int32, in any order.

        Returns:
            float64, in the shape of ``session_dates``.
        """
        if symbol not in self._factors:
            return np.ones(np.shape(session_dates))
        days, factors = self._factors[symbol]
        return factors[np.searchsorted(days, session_dates, side="right")]

    def dividend_between(self, symbol: str, after: int, until: int) -> float:
        """Add up the dividends with after < ex-date <= until, in dollars per share of ``until``; 0.0 when none.

        The close of ``after`` (in the shares of ``until``) less this is where the price would open unchanged.
        Dividends in other currencies are left out.
        """
        if symbol not in self._cash:
            return 0.0
        days, amounts = self._cash[symbol]
        start, end = bisect_right(days, after), bisect_right(days, until)
        if start == end:
            return 0.0
        *then, now = self.share_factor(symbol, np.array([*days[start:end], until], dtype=np.int32))
        return fsum(amount * factor / now for amount, factor in zip(amounts[start:end], then, strict=True))

    def is_renamed(self, symbol: str, ordinal: int) -> bool:
        """Whether the instrument has given up this ticker at or before that date, and no other has taken it since."""
        if symbol not in self._given_up:
            return False
        days, given_up = self._given_up[symbol]
        index = bisect_right(days, ordinal)
        return index > 0 and given_up[index - 1]

    @cached_property
    def _factors(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Per symbol: execution dates, and the factors before the first, after the first, ..."""
        by_symbol: dict[str, dict[int, float]] = defaultdict(dict)
        for split in self.splits:
            by_symbol[split.symbol][date_ordinal(split.execution_date)] = split.split_to / split.split_from
        return {
            symbol: (np.array(days, dtype=np.int32), np.cumprod([1.0, *ratios]))
            for symbol, (days, ratios) in _by_day(by_symbol).items()
        }

    @cached_property
    def _cash(self) -> dict[str, tuple[list[int], list[float]]]:
        by_symbol: dict[str, dict[int, float]] = defaultdict(dict)
        for dividend in self.dividends:
            if dividend.currency == "USD":
                by_symbol[dividend.symbol][date_ordinal(dividend.ex_date)] = dividend.cash_amount
        return _by_day(by_symbol)

    @cached_property
    def _given_up(self) -> dict[str, tuple[list[int], list[bool]]]:
        """Dates at which a ticker changed hands, and whether it was given up; a ticker may be taken by another."""
        by_symbol: dict[str, dict[int, bool]] = defaultdict(dict)
        for change in self.ticker_changes:
            by_symbol[change.symbol].setdefault(date_ordinal(change.date), True)
            by_symbol[change.new_symbol][date_ordinal(change.date)] = False
        return _by_day(by_symbol)


def _by_day(by_symbol: dict[str, dict[int, T]]) -> dict[str, tuple[list[int], list[T]]]:
    """Per symbol: days in order, and the value of each."""
    return {symbol: (sorted(of_day), [of_day[day] for day in sorted(of_day)]) for symbol, of_day in by_symbol.items()}
