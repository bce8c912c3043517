"""Corporate actions as they stood at each date: who held a ticker, splits, dividends, what was scheduled."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from math import fsum

import numpy as np

from include.surveillance.detection.positions import date_ordinal, iso_date
from include.surveillance.instruments import Tickers, settle_dividends, settle_splits
from include.surveillance.records import Dividend, ScheduledEvent, Split, TickerChange


@dataclass(frozen=True)
class CorporateActions:
    """All corporate actions that are known, in any order; announced ones count from their date on.

    They belong to instruments, which ``tickers`` tells by ticker and date. Ordinals are days since 1970-01-01, New
    York. Statements that contradict each other do not count.
    """

    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = ()
    ticker_changes: tuple[TickerChange, ...] = ()
    scheduled: tuple[ScheduledEvent, ...] = ()

    @cached_property
    def tickers(self) -> Tickers:
        return Tickers(self.ticker_changes)

    def splits_until(self, holder: str, ordinal: int) -> list[tuple[int, float]]:
        """List the splits of an instrument executed up to a date: ordinal, new shares per old one."""
        effects = self._ratios.get(holder, {})
        return [(day, effects[day]) for day in sorted(effects) if day <= ordinal]

    def has_splits(self, holder: str) -> bool:
        """Whether ``share_factor`` is ever other than 1."""
        return holder in self._factors

    def share_factor(self, holder: str, session_dates: np.ndarray) -> np.ndarray:
        """Count the shares on each date that one share of the beginning has become.

        Raw price x factor and raw volume / factor are comparable over time. A split counts from its execution date
        on, so later ones never change what was before. Exactly 1.0 everywhere for an instrument without splits.

        Args:
            session_dates: ordinals, int32, in any order.

        Returns:
            float64, in the shape of ``session_dates``.
        """
        if holder not in self._factors:
            return np.ones(np.shape(session_dates))
        days, factors = self._factors[holder]
        return factors[np.searchsorted(days, session_dates, side="right")]

    def dividend_between(self, holder: str, after: int, until: int) -> float:
        """Add up the dividends with after < ex-date <= until, in dollars per share of ``until``; 0.0 when none.

        The close of ``after`` (in the shares of ``until``) less this is where the price would open unchanged.
        """
        if holder not in self._cash:
            return 0.0
        days, amounts = self._cash[holder]
        start, end = bisect_right(days, after), bisect_right(days, until)
        if start == end:
            return 0.0
        *then, now = self.share_factor(holder, np.array([*days[start:end], until], dtype=np.int32))
        return fsum(amount * factor / now for amount, factor in zip(amounts[start:end], then, strict=True))

    def is_given_up(self, symbol: str, ordinal: int) -> bool:
        """Whether the instrument has given up this ticker at or before that date, and no other has taken it since."""
        return bool(self.tickers) and self.tickers.is_given_up(symbol, iso_date(ordinal))

    def executed_on(self, symbol: str, date: str) -> tuple[str, ...]:
        """List the ids of the splits and changes of a ticker on a date YYYY-MM-DD."""
        return tuple(self._executed.get((symbol, date), ()))

    def dividends_on(self, symbol: str, date: str) -> tuple[str, ...]:
        """List the ids of the dividends of a ticker with this ex-date YYYY-MM-DD."""
        return tuple(self._paid.get((symbol, date), ()))

    def events_of(self, symbol: str) -> list[ScheduledEvent]:
        """List what is scheduled for a ticker or for all, in order of dates."""
        return [*self._events.get(symbol, ()), *self._events.get("*", ())]

    @cached_property
    def _executed(self) -> dict[tuple[str, str], list[str]]:
        executed: dict[tuple[str, str], list[str]] = defaultdict(list)
        for split in settle_splits(self.splits, self.tickers)[0]:
            executed[split.symbol, split.execution_date].append(split.event_id)
        for change in self.ticker_changes:
            for symbol in {change.symbol, change.new_symbol} - {""}:
                executed[symbol, change.date].append(change.event_id)
        return dict(executed)

    @cached_property
    def _paid(self) -> dict[tuple[str, str], list[str]]:
        paid: dict[tuple[str, str], list[str]] = defaultdict(list)
        for dividend in settle_dividends(self.dividends, self.tickers)[0]:
            paid[dividend.symbol, dividend.ex_date].append(dividend.event_id)
        return dict(paid)

    @cached_property
    def _events(self) -> dict[str, list[ScheduledEvent]]:
        events: dict[str, list[ScheduledEvent]] = defaultdict(list)
        for event in sorted(self.scheduled, key=lambda it: (it.date, it.time, it.event)):
            events[event.symbol].append(event)
        return dict(events)

    @cached_property
    def _factors(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Per instrument: execution dates, and the factors before the first, after the first, ..."""
        return {
            holder: (np.array(days, dtype=np.int32), np.cumprod([1.0, *(of_day[day] for day in days)]))
            for holder, of_day in self._ratios.items()
            for days in (sorted(of_day),)
        }

    @cached_property
    def _ratios(self) -> dict[str, dict[int, float]]:
        """Per instrument: ordinal of the execution date -> new shares per old one."""
        ratios: dict[str, dict[int, float]] = defaultdict(dict)
        for split in settle_splits(self.splits, self.tickers)[0]:
            holder = self.tickers.acting(split.symbol, split.execution_date)
            ratios[holder][date_ordinal(split.execution_date)] = split.split_to / split.split_from
        return dict(ratios)

    @cached_property
    def _cash(self) -> dict[str, tuple[list[int], list[float]]]:
        amounts: dict[str, dict[int, float]] = defaultdict(dict)
        for paid in settle_dividends(self.dividends, self.tickers)[0]:
            amounts[self.tickers.acting(paid.symbol, paid.ex_date)][date_ordinal(paid.ex_date)] = paid.cash_amount
        return {holder: (sorted(of_day), [of_day[day] for day in sorted(of_day)]) for holder, of_day in amounts.items()}
