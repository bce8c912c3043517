"""Why a minute of the session has no bar: nobody traded, a halt, a gap at the provider, or nobody asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from include.surveillance.detection.holes import HALT_MINUTES, IMPROBABLE, MOST_PRESENT
from include.surveillance.detection.positions import TradingCalendar
from include.surveillance.records import Bar, HoleCause, Profile, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS

CAUSES: tuple[HoleCause, ...] = ("no trade", "halt", "provider gap", "our outage", "unknown")
NO_TRADE, HALT, PROVIDER_GAP, OUR_OUTAGE, UNKNOWN = range(len(CAUSES))

DELAY_MS = 15 * MINUTE_MS
"""How far a DELAYED entitlement lags: what is younger has not been withheld, it is not out yet."""


EXPECTED = 0.9  # share of its minutes present from which on a symbol is expected to have the next one
BREADTH = 0.3  # share of the expected symbols from which on a minute missing for them is the provider's
LEAST_EXPECTED = 3  # symbols that such a judgement needs


@dataclass(frozen=True)
class Missing:
    """Neighbouring minutes without a bar, of one symbol and with one cause.

    ``probability`` is that of no trade in all the unexplained minutes of the silence; NaN without a profile.
    """

    symbol: str
    start_ms: int
    end_ms: int
    minutes: int
    cause: HoleCause
    probability: float


def find_missing_minutes(
    records: Iterable[Bar | Watermark],
    profiles: Mapping[str, Profile],
    sessions: Sessions,
    from_ms: int,
    to_ms: int,
) -> list[Missing]:
    """Find the minutes of regular session in [from_ms, to_ms) that have no bar, each with its cause.

    Nothing is missing of a symbol before its first watermark in ``records``. With a delayed entitlement the end is 15
    minutes earlier.

    Args:
        records: of the topic of bars in any order; those of other timespans are ignored.
        profiles: of minute bars, by symbol. Silence of a symbol without one is at best unknown.
        from_ms, to_ms: UTC epoch ms.
    """
    bars: list[tuple[str, int]] = []
    asked: dict[str, list[tuple[int, int]]] = {}
    delay_ms = 0
    for record in records:
        if record.timespan != "minute":
            continue
        if isinstance(record, Bar):
            bars.append((record.symbol, record.ts_ms))
        else:
            lag_ms = DELAY_MS if record.status == "DELAYED" else 0
            asked.setdefault(record.symbol, []).append((record.from_ms, record.as_of_ms - lag_ms))
            delay_ms = max(delay_ms, lag_ms)
    start_ms = -(-from_ms // MINUTE_MS) * MINUTE_MS
    minutes = np.arange(start_ms, to_ms - delay_ms - MINUTE_MS + 1, MINUTE_MS, dtype=np.int64)
    everything = np.array([0]), np.array([len(minutes)])
    positions = TradingCalendar(sessions).locate_bars(minutes, *everything, ["minute"])
    minutes, slots = minutes[positions.regular], positions.slot[positions.regular]
    symbols = sorted(asked)
    row = {symbol: index for index, symbol in enumerate(symbols)}
    present = np.zeros((len(symbols), len(minutes)), dtype=bool)
    for symbol, ts_ms in bars:
        at = np.searchsorted(minutes, ts_ms)
        if symbol in row and at < len(minutes) and minutes[at] == ts_ms:
            present[row[symbol], at] = True
    covered = np.zeros_like(present)
    known = np.zeros_like(present)
    expected = np.full(present.shape, np.nan)
    for symbol, index in row.items():
        for since_ms, until_ms in asked[symbol]:
            covered[index] |= (minutes >= since_ms) & (minutes + MINUTE_MS <= until_ms)
        known[index] = minutes >= min(since_ms for since_ms, _ in asked[symbol])
        if symbol in profiles:
            expected[index] = np.minimum(np.asarray(profiles[symbol].presence, dtype=float)[slots], MOST_PRESENT)
    # Before its first watermark nothing is known of a symbol, so nothing is missing.
    return classify_minutes(symbols, minutes, present | ~known, covered, expected)


def classify_minutes(
    symbols: Sequence[str],
    minutes: np.ndarray,
    present: np.ndarray,
    asked: np.ndarray,
    expected: np.ndarray,
) -> list[Missing]:
    """Give each minute that is not present a cause; returns rows sorted by symbol and time.

    A minute that nobody asked for is our outage. One that is missing for many of the symbols expected to have it is the
    provider's, for those symbols. What is left of a symbol's silence is no trade when so long a silence is probable, a
    halt when it is improbable and long enough, and else unknown.

    Args:
        symbols: one per row of the matrices.
        minutes: starts of regular minutes, UTC epoch ms, ascending, int64; one per column.
        present: whether there is a bar, bool [symbol, minute].
        asked: whether a watermark covers the minute, bool [symbol, minute].
        expected: share of earlier sessions that had a bar at this minute, 0-1, float64 [symbol, minute]; NaN when
            unknown.
    """
    missing = ~present
    cause = np.full(present.shape, UNKNOWN, dtype=np.int8)
    cause[missing & ~asked] = OUR_OUTAGE
    likely = asked & (expected >= EXPECTED)
    counted = likely.sum(axis=0)
    gap = (counted >= LEAST_EXPECTED) & ((likely & missing).sum(axis=0) >= BREADTH * np.maximum(counted, 1))
    # Thin symbols may just not have traded; without a profile the crowd is the best witness.
    cause[missing & asked & gap & (likely | np.isnan(expected))] = PROVIDER_GAP
    rows = []
    for index, symbol in enumerate(symbols):
        for silence in _silences(minutes, missing[index]):
            left = silence[cause[index, silence] == UNKNOWN]
            probability = float(np.prod(1 - expected[index, left]))
            if probability >= IMPROBABLE:
                cause[index, left] = NO_TRADE
            elif probability < IMPROBABLE and len(left) >= HALT_MINUTES:
                cause[index, left] = HALT
            for part in np.split(silence, np.flatnonzero(np.diff(cause[index, silence])) + 1):
                start_ms, last_ms = int(minutes[part[0]]), int(minutes[part[-1]])
                name = CAUSES[cause[index, part[0]]]
                rows.append(Missing(symbol, start_ms, last_ms + MINUTE_MS, len(part), name, probability))
    return sorted(rows, key=lambda one: (one.symbol, one.start_ms))


def count_minutes(rows: Iterable[Missing]) -> dict[str, int]:
    """Count the missing minutes per cause over all symbols; every cause is there."""
    counts: dict[str, int] = dict.fromkeys(CAUSES, 0)
    for one in rows:
        counts[one.cause] += one.minutes
    return counts


def _silences(minutes: np.ndarray, missing: np.ndarray) -> list[np.ndarray]:
    """Columns of neighbouring missing minutes; the night between two sessions is a border."""
    columns = np.flatnonzero(missing)
    if not len(columns):
        return []
    return np.split(columns, np.flatnonzero(np.diff(minutes[columns]) != MINUTE_MS) + 1)
