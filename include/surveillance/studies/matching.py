"""Matching: for each alert, bars of its series at the same time of day in calm sessions, to compare it with."""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

import numpy as np

from include.surveillance.studies.outcomes import Market
from include.surveillance.timespans import DAY_MS, MINUTE_MS

AROUND_MS = 15 * MINUTE_MS


class Matched(NamedTuple):
    """One element per bar that was drawn, in the order of the alerts.

    Attributes:
        alert: position of its alert.
        bar: its index in the market.
    """

    alert: np.ndarray
    bar: np.ndarray


def draw_matched(
    market: Market, ids: list[str], code: np.ndarray, known_ms: np.ndarray, *, matches: int, seed: int
) -> Matched:
    """Draw up to so many bars for each alert, without replacement.

    They are known within 15 minutes of the alert's time of day (day bars: at any), before, in or after the regular
    session as the alert is, in sessions without any alert of the symbol within a session of them. What is drawn for
    one alert does not depend on the order of the others.

    Args:
        ids: of the alerts.
        code, known_ms: the series of each alert, and when it was known.
    """
    session, calm = market.sessions_at(known_ms), _find_calm_days(market, code, known_ms)
    alerts, bars = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for series in np.unique(code):
        own = np.flatnonzero(code == series)
        days = market.days.session[calm & (market.days.code == series)]
        first, count = _find_candidates(market, series, known_ms[own], session[own], days)
        before = np.cumsum(count, axis=1)
        for row, alert in enumerate(own.tolist()):
            total = int(before[row, -1]) if len(days) else 0
            random = np.random.default_rng([seed, crc32(ids[alert].encode())])
            drawn = np.sort(random.choice(total, min(matches, total), replace=False))
            day = np.searchsorted(before[row], drawn, side="right")
            bars.append(first[row, day] + drawn - (before[row, day] - count[row, day]))
            alerts.append(np.full(len(drawn), alert))
    owner, bar = np.concatenate(alerts), np.concatenate(bars)
    order = np.argsort(owner, kind="stable")
    return Matched(owner[order], bar[order])


def _find_calm_days(market: Market, code: np.ndarray, known_ms: np.ndarray) -> np.ndarray:
    """Say of each of the market's days whether its symbol has no alert in it or in the sessions beside it."""
    numbers = {symbol: number for number, (symbol, _) in enumerate(market.keys)}
    symbol = np.array([numbers[symbol] for symbol, _ in market.keys], dtype=np.int64)
    alerted = symbol[code] << 32 | market.sessions_at(known_ms)
    day = symbol[market.days.code] << 32 | market.days.session
    return ~np.isin(day, np.concatenate([alerted - 1, alerted, alerted + 1]))


def _find_candidates(
    market: Market, series: np.int64, known_ms: np.ndarray, session: np.ndarray, days: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each alert of a series and each day the first bar that could be drawn, and how many can."""
    around_ms = DAY_MS if market.keys[series][1] == "day" else AROUND_MS
    opens, closes = market.opens[days], market.closes[days]
    at_ms = opens + (known_ms - market.opens[session])[:, None]
    before, behind = known_ms <= market.opens[session], known_ms > market.closes[session]
    # The part of the day (after, until] that the alert is in.
    after = np.where(before[:, None], market.firsts[days], np.where(behind[:, None], closes, opens))
    until = np.where(before[:, None], opens, np.where(behind[:, None], market.lasts[days], closes))
    first = market.find_last(series, np.maximum(at_ms - around_ms - 1, after)) + 1
    end = market.find_last(series, np.minimum(at_ms + around_ms, until)) + 1
    return first, np.maximum(end - first, 0)
