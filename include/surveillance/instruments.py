"""Instruments and what happens to them: who holds a ticker on a date, and which statements of corporate actions hold.

Files, the vendor's answers and the log are judged here alike, and whatever the order in which they come.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import fsum
from operator import attrgetter
from typing import NamedTuple

from include.surveillance.records import Dividend, Payment, Split, TickerChange

TWO_RATIOS = "two ratios for one day"
TWO_SUCCESSORS = "two successors of one ticker"
TWO_PREDECESSORS = "two instruments take one ticker"
OTHER_CURRENCY = "dividend in another currency"
CONFLICTS = (TWO_RATIOS, TWO_SUCCESSORS, TWO_PREDECESSORS)
"""Reasons by which statements contradict each other, so that none of them counts."""
CURRENCY = "USD"


class Objection(NamedTuple):
    """Why a statement does not count: short and countable, with the detail of this case."""

    reason: str
    detail: str


class Tenure(NamedTuple):
    """From ``date`` on (YYYY-MM-DD; empty: from ever) ``holder`` has a ticker; ``vacant``: nobody known has it."""

    date: str
    holder: str
    vacant: bool = False


class Tickers:
    """Says which instrument a ticker names on a date.

    A holder is an instrument by its first known ticker and, unless it was the ticker's first holder, a space and the
    date since which it has been. So a ticker that never changed hands is its own holder.

    Args:
        changes: in any order; those that contradict each other do not count.
    """

    def __init__(self, changes: Iterable[TickerChange] = ()):
        self._tenures: dict[str, list[Tenure]] = {}
        self._names: dict[str, list[tuple[str, str]]] = {}  # holder -> (date, its ticker from then on)
        by_date: dict[str, list[TickerChange]] = defaultdict(list)
        for change in settle_changes(list(changes))[0]:
            by_date[change.date].append(change)
        for date in sorted(by_date):
            # All changes of one day happen at once: two may swap their tickers.
            moves = {it.new_symbol: self._leaving(it, date) for it in by_date[date] if it.new_symbol}
            for new, holder in moves.items():
                self._hold(new, Tenure(date, holder))
                self._names.setdefault(holder, [("", holder.partition(" ")[0])]).append((date, new))
            for old in {it.symbol for it in by_date[date]} - moves.keys() - {""}:
                self._hold(old, Tenure(date, f"{old} {date}", vacant=True))

    def __bool__(self) -> bool:
        return bool(self._tenures)

    def tenures(self, symbol: str) -> Sequence[Tenure]:
        """List who has held a ticker, oldest first; nothing where it has never changed hands."""
        return self._tenures.get(symbol, ())

    def names(self, holder: str) -> Sequence[tuple[str, str]]:
        """List an instrument's tickers, each with the date since which it holds (empty: from ever), oldest first."""
        return self._names.get(holder, (("", holder.partition(" ")[0]),))

    def holder(self, symbol: str, date: str) -> str:
        """Name who holds a ticker on a date."""
        tenure = self._tenure(symbol, date)
        return tenure.holder if tenure else symbol

    def acting(self, symbol: str, date: str) -> str:
        """Name whose split or dividend is meant by a ticker on a date.

        On the day on which a ticker is given up, and nobody takes it, that is still who has given it up.
        """
        tenures = self._tenures.get(symbol, ())
        at = bisect_right(tenures, date, key=attrgetter("date")) - 1
        if at >= 0 and tenures[at].vacant and tenures[at].date == date:
            at -= 1
            return tenures[at].holder if at >= 0 else symbol
        return self.holder(symbol, date)

    def is_given_up(self, symbol: str, date: str) -> bool:
        """Say whether the instrument has given up this ticker by that date, and no other has taken it since."""
        tenure = self._tenure(symbol, date)
        return tenure is not None and tenure.vacant

    def related(self, symbol: str) -> set[str]:
        """Name all tickers of all instruments that have ever held this one, itself included."""
        holders = {symbol, *(tenure.holder for tenure in self.tenures(symbol))}
        return {name for holder in holders for _, name in self.names(holder)} | {symbol}

    def _tenure(self, symbol: str, date: str) -> Tenure | None:
        tenures = self._tenures.get(symbol, ())
        at = bisect_right(tenures, date, key=attrgetter("date")) - 1
        return tenures[at] if at >= 0 else None

    def _leaving(self, change: TickerChange, date: str) -> str:
        """Name who leaves a ticker: who holds it before that date."""
        if not change.symbol:
            return f"{change.new_symbol} {date}"
        earlier = [tenure for tenure in self.tenures(change.symbol) if tenure.date < date]
        return earlier[-1].holder if earlier else change.symbol

    def _hold(self, symbol: str, tenure: Tenure) -> None:
        self._tenures.setdefault(symbol, []).append(tenure)


def settle_changes(changes: Sequence[TickerChange]) -> tuple[list[TickerChange], dict[int, Objection]]:
    """Return the changes of tickers that hold, each once, and objections to the others by their index.

    That a ticker is given up adds nothing to whom it was given up for, nor that one is taken to who has taken it.
    """
    successors, predecessors = defaultdict(set), defaultdict(set)
    for change in changes:
        successors[change.symbol, change.date].add(change.new_symbol)
        predecessors[change.new_symbol, change.date].add(change.symbol)
    objections, kept = {}, {}
    for index, change in enumerate(changes):
        after = successors[change.symbol, change.date] - {""} if change.symbol else set()
        before = predecessors[change.new_symbol, change.date] - {""} if change.new_symbol else set()
        if len(after) > 1:
            objections[index] = Objection(TWO_SUCCESSORS, f"{change.symbol} on {change.date}: {_listed(after)}")
        elif len(before) > 1:
            objections[index] = Objection(TWO_PREDECESSORS, f"{change.new_symbol} on {change.date}: {_listed(before)}")
        elif not (after and not change.new_symbol) and not (before and not change.symbol):
            kept[change.symbol, change.new_symbol, change.date] = change
    return [kept[key] for key in sorted(kept)], objections


def settle_splits(
    splits: Sequence[Split],
    tickers: Tickers = Tickers(),  # noqa: B008 - never changed
) -> tuple[list[Split], dict[int, Objection]]:
    """Return the splits that hold, one per instrument and day, and objections to the others by their index.

    The same ratio of one day is one split, also where it is listed under the old and under the new ticker. Of two
    ratios for one day neither counts.
    """
    days: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, split in enumerate(splits):
        days[tickers.acting(split.symbol, split.execution_date), split.execution_date].append(index)
    kept = []
    objections: dict[int, Objection] = {}
    for holder, date in sorted(days):
        given = [splits[index] for index in days[holder, date]]
        ratios = {Fraction(split.split_to) / Fraction(split.split_from) for split in given}
        if len(ratios) == 1:
            name = _name_on(tickers, holder, date)
            kept.append(min(given, key=lambda it: (it.symbol != name, it.symbol, it.split_from)))
            continue
        said = _listed({f"{split.split_to:g} for {split.split_from:g}" for split in given})
        objection = Objection(TWO_RATIOS, f"{given[0].symbol} on {date}: {said}")
        objections |= dict.fromkeys(days[holder, date], objection)
    return kept, objections


def settle_dividends(
    dividends: Sequence[Dividend],
    tickers: Tickers = Tickers(),  # noqa: B008 - never changed
) -> tuple[list[Dividend], dict[int, Objection]]:
    """Return one dividend in dollars per instrument and ex-date, and objections to the others by their index.

    Different payments of one day add up, a regular and a special one; the same one that is listed again does not,
    nor where it is listed once without its type or day of payment.
    """
    days: dict[tuple[str, str], list[Dividend]] = defaultdict(list)
    objections = {}
    for index, dividend in enumerate(dividends):
        if dividend.currency == CURRENCY:
            days[tickers.acting(dividend.symbol, dividend.ex_date), dividend.ex_date].append(dividend)
        else:
            said = f"{dividend.cash_amount:g} {dividend.currency} on {dividend.ex_date}; prices are in {CURRENCY}"
            objections[index] = Objection(OTHER_CURRENCY, said)
    return [_add_up(days[day], _name_on(tickers, *day)) for day in sorted(days)], objections


def _add_up(same_day: list[Dividend], name: str) -> Dividend:
    """Make one dividend of those of one day, under the instrument's ``name`` if it is listed under that."""
    if len(same_day) == 1:
        return same_day[0]
    given = [payment for it in same_day for payment in it.payments or (Payment(cash_amount=it.cash_amount),)]
    payments: list[Payment] = []
    # Who says most comes first; what is left out may be anything.
    for payment in sorted(given, key=lambda it: (it.cash_amount, not it.type, not it.pay_date, it.type, it.pay_date)):
        if not any(_is_same(payment, other) for other in payments):
            payments.append(payment)
    symbols = {dividend.symbol for dividend in same_day}
    return Dividend(
        symbol=name if name in symbols else min(symbols),
        ex_date=same_day[0].ex_date,
        cash_amount=fsum(payment.cash_amount for payment in payments),
        payments=tuple(payments),
    )


def _is_same(one: Payment, other: Payment) -> bool:
    pairs = ((one.type, other.type), (one.pay_date, other.pay_date))
    return one.cash_amount == other.cash_amount and all(a == b or not a or not b for a, b in pairs)


def _name_on(tickers: Tickers, holder: str, date: str) -> str:
    """Name the ticker of an instrument on a date."""
    names = tickers.names(holder)
    return names[max(bisect_right(names, date, key=lambda it: it[0]) - 1, 0)][1]


def _listed(words: Iterable[str]) -> str:
    return " and ".join(sorted(words))
