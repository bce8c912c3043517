"""Symbol-days: each symbol on each session that it has bars of, and which of them alerts lie on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from include.surveillance.detection.positions import date_ordinal
from include.surveillance.detection.scan import Scan
from include.surveillance.sessions import Sessions
from tests.benchmarks.scorecard.yardsticks import NEEDS

NEW_SESSIONS = 3
"""Sessions in which a symbol is new."""
MARKET_CODE = -1


@dataclass(frozen=True)
class RecordedDays:
    """The symbol-days of recorded bars, sorted by symbol and session.

    Attributes:
        symbols: symbol -> code.
        ordinals: date of each session of the calendar, in days from 1970-01-01.
        key: per symbol-day, code << 32 | the session's number in the calendar.
        earlier: per symbol-day, how many sessions of the symbol the bars have before it.
        judged: per symbol-day, whether product and yardsticks are compared on it: it is none of the symbol's first
            sessions, and a yardstick's window is full before it.
        of_bar: per bar of the scan, its symbol-day.
    """

    symbols: dict[str, int]
    ordinals: np.ndarray
    key: np.ndarray
    earlier: np.ndarray
    judged: np.ndarray
    of_bar: np.ndarray

    @classmethod
    def of(cls, scan: Scan, sessions: Sessions) -> RecordedDays:
        """List those of a pass over bars of one timespan."""
        ordinals, segments = sessions.arrays()[2], scan.segments
        code = np.repeat(np.arange(len(segments.end)), segments.end - segments.start)
        number = np.searchsorted(ordinals, scan.positions.session)
        key, first, of_bar = np.unique(code << 32 | number, return_index=True, return_inverse=True)
        starts = np.flatnonzero(np.diff(key >> 32, prepend=-1))
        earlier = np.arange(len(key)) - np.repeat(starts, np.diff(starts, append=len(key)))
        judged = (earlier >= NEW_SESSIONS) & (first - segments.start[code[first]] >= NEEDS)
        symbols = {symbol: at for at, (symbol, _) in enumerate(scan.bars.keys[: len(segments.end)])}
        return cls(symbols, ordinals, key, earlier, judged, of_bar)

    def find(self, symbols: Iterable[str], dates: Iterable[str]) -> np.ndarray:
        """Return the keys of symbols on dates YYYY-MM-DD, of no session: on the next one; -1 for unknown symbols."""
        code = np.array([self.symbols.get(symbol, -1) for symbol in symbols], dtype=np.int64)
        number = np.searchsorted(self.ordinals, [date_ordinal(date) for date in dates])
        return np.where(code < 0, -1, code << 32 | number)

    def positions(self, key: np.ndarray) -> np.ndarray:
        """Return which symbol-day each key is, -1 for none."""
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return np.where(self.key[at] == key, at, -1)

    def are_judged(self, key: np.ndarray) -> np.ndarray:
        at = self.positions(key)
        return (at >= 0) & self.judged[at]


@dataclass(frozen=True)
class AlertDays:
    """The alerts of one method.

    Attributes:
        key: of each alert, as in ``RecordedDays``; ``MARKET_CODE`` << 32 | number for an event of the market.
    """

    key: np.ndarray

    def hit(self, days: np.ndarray) -> np.ndarray:
        """Say of symbol-days whether the symbol has an alert on that session or the next; events do not count."""
        return np.isin(days, self.key) | np.isin(days + 1, self.key)

    def busiest_share(self, days: int) -> float | None:
        """Return the share of the alerts that lie on the busiest sessions; None without alerts."""
        _, counts = np.unique(self.key & 0xFFFF_FFFF, return_counts=True)
        return float(np.sort(counts)[-days:].sum() / counts.sum()) if len(counts) else None


def count_hits(days: RecordedDays, labels: np.ndarray, methods: Mapping[str, AlertDays]) -> dict[str, dict[str, int]]:
    """Count for each method its alerts, the labelled symbol-days that it finds, and those it finds of all.

    Args:
        labels: keys of labelled symbol-days; only judged ones count.
    """
    labels, every = labels[days.are_judged(labels)], days.key[days.judged]
    return {
        name: {
            "alerts": len(alerts.key),
            "labels": len(labels),
            "found": int(alerts.hit(labels).sum()),
            "days": len(every),
            "days_found": int(alerts.hit(every).sum()),
        }
        for name, alerts in methods.items()
    }
