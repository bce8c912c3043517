"""The anomalies of a session: which symbol, which kind, which minutes. Labels are made from this plan.

Each kind has its own symbols of the day, so that no anomaly spoils another: some symbols fall silent in turn, so
that at any time one has been silent for more than 15 minutes; the rest take market anomalies in turn, far apart
on one symbol. Broken bars go to whoever has nothing else at that minute. Every anomaly is strong enough that the
literal rule must fire inside its label; a label begins where the robust form may fire.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict
from zlib import crc32

import numpy as np

from include.surveillance.errors import ConfigurationError
from include.surveillance.sessions import Session
from include.surveillance.timespans import MINUTE_MS

SILENCE_ALLOWED = 15  # minutes without a bar before feed_freshness fires
SILENCE_NOTICED = 5  # the same where the symbol is known never to be silent
WARM_UP = 25  # minutes: the rules look at 20 previous bars
QUANTILE_WARM_UP = 150  # minutes: volatility_spike also needs 100 earlier values
SPACING = 60  # minutes between market anomalies on one symbol
BROKEN_EVERY, BROKEN_SPACING = 4, 28  # minutes between broken bars, anywhere and on one symbol
CALM = {"price_breakout": 19, "volatility_spike": 40}  # minutes before, in which the rule is kept from firing
MARKET_KINDS = (
    "abnormal_volume",
    "price_breakout",
    "news_impact",
    "abnormal_volume",
    "price_breakout",
    "volatility_spike",
)
LENGTH = {"abnormal_volume": 3, "price_breakout": 10, "news_impact": 8, "volatility_spike": 20}
BREAKAGES = ("high below low", "negative volume", "open above high", "close of zero")


class Label(TypedDict):
    """An anomaly as a customer of the simulator sees it: the ``ts_ms`` of its alert is in ``start_ms``..``end_ms``."""

    kind: str
    symbol: str
    start_ms: int
    end_ms: int
    detail: str


@dataclass(frozen=True)
class Anomaly:
    """One planned anomaly. Minutes count from the session's open; ``first``..``last`` is the label's window."""

    kind: str
    symbol: str
    minute: int
    minutes: int
    first: int
    last: int
    detail: str
    sign: int = 1  # of a move, and whether news leads (+1) or follows (-1) its volume

    def label(self, session: Session) -> Label:
        return {
            "kind": self.kind,
            "symbol": self.symbol,
            "start_ms": session.open_ms + self.first * MINUTE_MS,
            "end_ms": session.open_ms + self.last * MINUTE_MS,
            "detail": self.detail,
        }


class Plan:
    """The anomalies of every session of one market.

    Args:
        seed: of the market.
        symbols: liquid symbols that take anomalies, at least four.
        first_date: the market's first session, which has no previous close to gap from; None when none is first.

    Raises:
        ConfigurationError: fewer than four symbols.
    """

    def __init__(self, seed: int, symbols: tuple[str, ...], first_date: str | None = None):
        if len(symbols) < 4:
            raise ConfigurationError(f"{len(symbols)} liquid symbols cannot hold all anomalies; at least 4 are needed")
        self._seed, self._symbols, self._first_date = seed, symbols, first_date
        self.session = lru_cache(maxsize=64)(self._session)

    def for_symbol(self, symbol: str, session: Session) -> list[Anomaly]:
        return [anomaly for anomaly in self.session(session) if anomaly.symbol == symbol]

    def _session(self, session: Session) -> tuple[Anomaly, ...]:
        rng = np.random.default_rng([self._seed, crc32(b"plan"), crc32(session.date.encode())])
        order = [self._symbols[index] for index in rng.permutation(len(self._symbols))]
        quiet = max(2, len(order) // 5)
        minutes = (session.close_ms - session.open_ms) // MINUTE_MS
        anomalies = _silences(order[:quiet], minutes)
        if session.date != self._first_date:
            anomalies += [_gap(symbol, rng) for symbol in order[:2]]
        anomalies += _market(order[quiet:], minutes, rng)
        anomalies += _broken(order[quiet:], minutes, anomalies)
        return tuple(sorted(anomalies, key=lambda anomaly: (anomaly.minute, anomaly.symbol)))


def _silences(symbols: list[str], minutes: int) -> list[Anomaly]:
    every = 20 if len(symbols) == 2 else 15
    length = SILENCE_ALLOWED + every  # the next symbol is overdue when this one returns
    return [
        Anomaly(
            kind="feed_freshness",
            symbol=symbols[turn % len(symbols)],
            minute=minute,
            minutes=length,
            first=minute + SILENCE_NOTICED,
            last=minute + length + 5,
            detail=f"no bars for {length} minutes",
        )
        for turn, minute in enumerate(range(3, minutes - length, every))
    ]


def _gap(symbol: str, rng: np.random.Generator) -> Anomaly:
    sign = int(rng.choice([-1, 1]))
    return Anomaly("price_gap", symbol, 0, 1, 0, 5, f"opens {sign * 4:+d} % or more from the previous close", sign)


def _market(symbols: list[str], minutes: int, rng: np.random.Generator) -> list[Anomaly]:
    every = max(3, -(-SPACING // len(symbols)))
    starts = range(WARM_UP, minutes - 2 * WARM_UP, every)
    anomalies = []
    for turn, (minute, sign) in enumerate(zip(starts, rng.choice([-1, 1], len(starts)).tolist(), strict=True)):
        lap, index = divmod(turn, len(symbols))
        kind = MARKET_KINDS[(turn + lap) % len(MARKET_KINDS)]
        if kind == "volatility_spike" and minute < QUANTILE_WARM_UP:
            kind = "abnormal_volume"
        anomalies.append(_move(kind, symbols[index], minute, sign))
    return anomalies


def _move(kind: str, symbol: str, minute: int, sign: int) -> Anomaly:
    length = LENGTH[kind]
    first, last, detail = {
        "abnormal_volume": (minute, minute + 4, "three minutes of 10 times the mean volume"),
        "price_breakout": (minute, minute + 12, f"ten minutes of steady {'rise' if sign > 0 else 'fall'}"),
        "news_impact": (minute, minute + 12, f"negative article {'before' if sign > 0 else 'after'} a volume burst"),
        "volatility_spike": (minute, minute + 25, "20 minutes of seven times the volatility"),
    }[kind]
    return Anomaly(kind, symbol, minute, length, first, last, detail, sign)


def _broken(symbols: list[str], minutes: int, others: list[Anomaly]) -> list[Anomaly]:
    """Plan one broken bar every few minutes, on a symbol that has nothing else around that minute."""
    free = {symbol: np.ones(minutes, dtype=bool) for symbol in symbols}
    for anomaly in others:
        if anomaly.symbol in free:
            start = anomaly.minute - CALM.get(anomaly.kind, 0) - 2
            free[anomaly.symbol][max(0, start) : anomaly.minute + anomaly.minutes + 2] = False
    every = max(BROKEN_EVERY, -(-BROKEN_SPACING // len(symbols)))
    broken: list[Anomaly] = []
    due = 2
    for minute in range(due, minutes - 12):
        if minute < due:
            continue
        turn = len(broken) % len(symbols)
        symbol = next((symbol for symbol in symbols[turn:] + symbols[:turn] if free[symbol][minute]), None)
        if symbol is None:
            continue
        detail = BREAKAGES[len(broken) % len(BREAKAGES)]
        broken.append(Anomaly("data_quality", symbol, minute, 1, minute, minute + 10, detail))
        free[symbol][minute : minute + BROKEN_SPACING] = False
        due = minute + every
    return broken
