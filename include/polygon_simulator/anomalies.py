"""The anomalies of a session: which symbol, which kind, which minutes. Labels are made from this plan.

Market anomalies are rare, as in a market: about one of ten symbols has one in a session, so that to a profile of these
sessions none of them is usual. Only while the market is watched is there one every two or three minutes, the first four
even sooner, on some symbol that has been calm. Each is strong enough that the robust rule must fire inside its label,
with profiles of few sessions and the shipped budget of alerts.

Operations have no such measure, and are frequent in all sessions. Some symbols fall silent in turn, so that at any time
one has been silent for more than 15 minutes; the others take market anomalies. Broken bars go to whoever has nothing
else at that minute.

A pump_and_dump takes at least 21 day bars, and none is planned: whoever watches asks for the minutes of some sessions,
a recording has few, and a price that is driven up by day would be found by minute in every session of it, by rules
whose labels say otherwise. ``make scenarios`` injects them into recorded days.
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

ENTERED_MS = 60 * MINUTE_MS  # how far into its last session a recording is entered, with minutes behind and to come
SILENCE_ALLOWED = 15  # minutes without a bar before feed_freshness fires
SILENCE_NOTICED = 5  # the same where the symbol is known never to be silent
WARM_UP, SPARE = 25, 15  # minutes: the rules look at 20 previous bars; a move is over at the close
RARE = 0.1  # of the symbols that do not fall silent have a market anomaly in a session
GAPS = 2  # at the open of a session that is watched
BROKEN_EVERY, BROKEN_SPACING = 4, 28  # minutes between broken bars, anywhere and on one symbol
CALM = 20  # minutes in which a price stays in a narrow range before it breaks out
FIRST = 6  # watched minutes in which each kind of move occurs for the first time: nobody waits long to see one
CYCLE = 10  # watched minutes in which each kind of move occurs once from then on
LAP = 50  # watched minutes between two moves of one kind on one symbol: until then the first one is forgotten
MOVES = {
    "volatility_spike": (0.0, 0.0),
    "news_impact": (0.3, 0.3),
    "abnormal_volume": (0.5, 0.55),
    "price_breakout": (0.8, 0.75),
}
"""Where in a cycle a kind occurs, and where in a symbol's lap: a price breaks out when what moved it is long past."""
LENGTH = {"abnormal_volume": 3, "price_breakout": 5, "news_impact": 8, "volatility_spike": 10}
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
        watched_from_ms: UTC epoch ms from which on somebody looks at the market, until the end of that session: the
            next one's profiles would take what is frequent as usual.
        first_date: the market's first session: there is nothing before it that could make anything unusual.

    Raises:
        ConfigurationError: fewer than four symbols.
    """

    def __init__(self, seed: int, symbols: tuple[str, ...], watched_from_ms: int, first_date: str | None = None):
        if len(symbols) < 4:
            raise ConfigurationError(f"{len(symbols)} liquid symbols cannot hold all anomalies; at least 4 are needed")
        self._seed, self._symbols, self._watched_from_ms = seed, symbols, watched_from_ms
        self._first_date = first_date
        self.session = lru_cache(maxsize=64)(self._session)

    def for_symbol(self, symbol: str, session: Session) -> list[Anomaly]:
        return [anomaly for anomaly in self.session(session) if anomaly.symbol == symbol]

    def _session(self, session: Session) -> tuple[Anomaly, ...]:
        rng = np.random.default_rng([self._seed, crc32(b"plan"), crc32(session.date.encode())])
        order = [self._symbols[index] for index in rng.permutation(len(self._symbols))]
        quiet = max(2, len(order) // 5)
        minutes = (session.close_ms - session.open_ms) // MINUTE_MS
        anomalies = _silences(order[:quiet], minutes)
        if session.open_ms <= self._watched_from_ms < session.close_ms:
            first = max(WARM_UP, -(-(self._watched_from_ms - session.open_ms) // MINUTE_MS))
            anomalies += [_gap(symbol, rng) for symbol in order[-GAPS:] if session.date != self._first_date]
            anomalies += _watched(order[quiet:], range(first, minutes - SPARE), rng)
        elif session.date != self._first_date:
            anomalies += _rare(order[quiet:], range(WARM_UP, minutes - SPARE), rng)
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
    return Anomaly("price_gap", symbol, 0, 1, 0, 5, f"opens {sign * 9:+d} % or more from the previous close", sign)


def _rare(symbols: list[str], minutes: range, rng: np.random.Generator) -> list[Anomaly]:
    anomalies = []
    for symbol in symbols:
        if rng.uniform() < RARE:
            kind = str(rng.choice(["price_gap", *MOVES]))
            sign = int(rng.choice([-1, 1]))
            anomalies.append(
                _gap(symbol, rng) if kind == "price_gap" else _move(kind, symbol, int(rng.choice(minutes)), sign)
            )
    return anomalies


def _watched(symbols: list[str], minutes: range, rng: np.random.Generator) -> list[Anomaly]:
    """Plan each kind of move once in every cycle, the first one short, on a symbol that had none of it for a lap."""
    cycle = max(CYCLE, -(-(LAP - FIRST) // (len(symbols) - 1)))
    anomalies = []
    for kind, (in_cycle, in_lap) in MOVES.items():
        sign, behind = int(rng.choice([-1, 1])), int(in_lap * len(symbols))
        first, second = minutes.start + int(in_cycle * FIRST), minutes.start + FIRST + int(in_cycle * cycle)
        for turn, minute in enumerate((first, *range(second, minutes.stop, cycle))):
            if minute not in minutes:
                break
            lap, index = divmod(turn - behind, len(symbols))
            # What has broken out must come back before it can break out again.
            anomalies.append(_move(kind, symbols[index], minute, sign * (-1) ** (lap % 2)))
    return anomalies


def _move(kind: str, symbol: str, minute: int, sign: int) -> Anomaly:
    length = LENGTH[kind]
    first, last, detail = {
        "abnormal_volume": (minute, minute + 6, "three minutes of 30 times the usual volume"),
        "price_breakout": (minute, minute + 5, f"{'rises' if sign > 0 else 'falls'} out of a narrow range, on volume"),
        "news_impact": (minute, minute + 12, f"negative article {'before' if sign > 0 else 'after'} a volume burst"),
        "volatility_spike": (minute, minute + 25, "ten minutes of 20 times the volatility"),
    }[kind]
    return Anomaly(kind, symbol, minute, length, first, last, detail, sign)


def _broken(symbols: list[str], minutes: int, others: list[Anomaly]) -> list[Anomaly]:
    """Plan one broken bar every few minutes, on a symbol that has nothing else around that minute."""
    free = {symbol: np.ones(minutes, dtype=bool) for symbol in symbols}
    for anomaly in others:
        if anomaly.symbol in free:
            start = anomaly.minute - (CALM if anomaly.kind == "price_breakout" else 0) - 2
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
