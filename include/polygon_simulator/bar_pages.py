"""Pages of bars: windows of a span cut from base bars, as the vendor's range endpoint counts them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from include.polygon_simulator.bars import Bars, concatenate
from include.polygon_simulator.market import Market
from include.surveillance.sessions import Session
from include.surveillance.timespans import DAY_MS, MINUTE_MS

SPANS = {"minute": MINUTE_MS, "hour": 60 * MINUTE_MS, "day": DAY_MS}


@dataclass(frozen=True)
class Query:
    """One request for bars of ``multiplier`` x ``span`` whose windows touch [start_ms, end_ms].

    ``limit`` counts base bars: minutes for minutes and hours, days for days.
    """

    symbol: str
    multiplier: int
    span: str
    start_ms: int
    end_ms: int
    ascending: bool = True
    adjusted: bool = True
    limit: int = 5000

    @property
    def width_ms(self) -> int:
        return SPANS[self.span] * self.multiplier


@dataclass(frozen=True)
class Page:
    """One page of rows. ``base`` is how many base bars it used; ``following`` asks for the rest, None at the end."""

    rows: list[dict[str, Any]]
    base: int = 0
    following: Query | None = None


def read_page(market: Market, query: Query) -> Page:
    """Return as many whole windows as fit into the limit, at least one: so any limit gives the same bars."""
    if query.symbol not in market.sources:
        return Page([])
    parts, keys, count = [], [], 0
    for part, key in _base_bars(market, query):
        parts.append(part)
        keys.append(key)
        count += len(part)
        if count > query.limit and min(key[0], keys[0][0]) != max(key[-1], keys[0][-1]):
            break
    if not parts:
        return Page([])
    forward = 1 if query.ascending else -1
    bars, key = concatenate(parts[::forward]), np.concatenate(keys[::forward])
    keep = _whole_windows(key[::forward], query.limit)
    chosen = slice(0, keep) if query.ascending else slice(len(bars) - keep, len(bars))
    base = bars if keep == len(bars) else bars.at(chosen)
    if query.width_ms == MINUTE_MS:
        rows = base.rows()
        _break(market, query.symbol, rows)
    else:
        starts = None if query.span == "day" else np.unique(key[chosen]) * query.width_ms
        rows = base.grouped(key[chosen], starts).rows()
    return Page(rows[::forward], keep, _following(query, base.t) if keep < len(bars) else None)


def _following(query: Query, used: np.ndarray) -> Query:
    """Return the same request beyond the base bars that were used."""
    if not query.ascending:
        edge = used[0] if query.span == "day" else used[0] // query.width_ms * query.width_ms
        return replace(query, end_ms=int(edge) - 1)
    edge = used[-1] + DAY_MS if query.span == "day" else (used[-1] // query.width_ms + 1) * query.width_ms
    return replace(query, start_ms=int(edge))


def _base_bars(market: Market, query: Query) -> Iterator[tuple[Bars, np.ndarray]]:
    """Yield base bars and the number of their window, session by session in the order asked for."""
    if query.span == "day":
        touched = _sessions(market, query, query.start_ms - DAY_MS, query.end_ms + 2 * DAY_MS)
        for session in touched:
            if query.start_ms - DAY_MS < market.day_start(session) <= query.end_ms:
                bar = market.session_bar(query.symbol, session, query.adjusted)
                if len(bar):
                    yield bar, np.array([date.fromisoformat(session.date).toordinal() // query.multiplier])
        return
    width = query.width_ms
    start, end = query.start_ms // width * width, (query.end_ms // width + 1) * width
    for session in _sessions(market, query, start, end):
        part = market.minutes(query.symbol, session, query.adjusted, start, end)
        if len(part):
            yield part, part.t // width


def _sessions(market: Market, query: Query, start_ms: int, end_ms: int) -> list[Session]:
    return list(market.sessions_between(start_ms, end_ms))[:: 1 if query.ascending else -1]


def _whole_windows(keys: np.ndarray, limit: int) -> int:
    """Count the leading base bars that make the whole windows that fit into the limit, at least one window."""
    if len(keys) <= limit:
        return len(keys)
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]) + 1, len(keys))
    fitting = ends[ends <= limit]
    return int(fitting[-1] if len(fitting) else ends[0])


def _break(market: Market, symbol: str, rows: list[dict[str, Any]]) -> None:
    """Spoil the bars that are planned to arrive broken, as a faulty feed would."""
    broken: dict[int, str] = {}
    for session in market.sessions_between(rows[0]["t"], rows[-1]["t"] + 1):
        broken |= market.sources[symbol].breakages(symbol, session)
    for row in rows if broken else ():
        match broken.get(row["t"]):
            case "high below low":
                row["h"] = round(row["l"] * 0.99, 4)
            case "negative volume":
                row["v"] = -row["v"]
            case "open above high":
                row["o"] = round(row["h"] * 1.02, 4)
            case "close of zero":
                row["c"] = 0.0
