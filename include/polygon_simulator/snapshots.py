"""Snapshots: the day so far, the day before and the newest minute of each ticker, in the vendor's shape."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from msgspec.json import encode

from include.polygon_simulator.bars import Bars
from include.polygon_simulator.crowd import Crowd
from include.polygon_simulator.market import Market
from include.surveillance.sessions import Session
from include.surveillance.timespans import MINUTE_MS

ZERO = dict.fromkeys(("c", "h", "l", "o", "v", "vw"), 0)
SAMPLE_MINUTES = 30  # a day of the crowd is estimated from one minute out of so many
LOOK_BACK = 5  # minutes in which a symbol of the crowd has surely traded


class Snapshots:
    """The snapshots of a market; the one of all tickers is made once for each minute."""

    def __init__(self, market: Market):
        self._market = market
        self._everything = lru_cache(maxsize=1)(self._make_everything)
        self._estimate = lru_cache(maxsize=2)(_estimate)

    def everything(self) -> bytes:
        """Return the answer with every ticker."""
        return self._everything((self._market.visible_ms - 1) // MINUTE_MS)

    def snapshot(self, ticker: str) -> dict[str, Any]:
        """Return one ticker, exactly."""
        market, sessions = self._market, self._market.latest_sessions(2)
        days = [_only(market.session_bar(ticker, session)) for session in sessions] + [ZERO, ZERO]
        traded = (market.minutes(ticker, session).at(slice(-1, None)).rows() for session in sessions)
        newest = next((rows[0] for rows in traded if rows), ZERO | {"t": 0, "n": 0})
        return _shaped(ticker, days[0], days[1], newest)

    def _make_everything(self, minute: int) -> bytes:
        market = self._market
        few = (ticker for ticker in market.instruments if market.sources[ticker] is not market.crowd)
        tickers = [encode(self.snapshot(ticker)) for ticker in few]
        sessions = [session for session in market.latest_sessions(3) if session.open_ms <= minute * MINUTE_MS]
        if market.crowd and sessions:
            tickers += self._crowd(market.crowd, minute, sessions)
        return b'{"count":%d,"status":"OK","tickers":[%b]}' % (len(tickers), b",".join(tickers))

    def _crowd(self, crowd: Crowd, minute: int, sessions: list[Session]) -> list[bytes]:
        today, before = sessions[0], sessions[min(1, len(sessions) - 1)]
        first, newest = today.open_ms // MINUTE_MS, min(minute, today.close_ms // MINUTE_MS - 1)
        bars, start = np.zeros((7, len(crowd.symbols))), np.zeros(len(crowd.symbols), dtype=np.int64)
        for number in range(max(first, newest - LOOK_BACK + 1), newest + 1):
            *values, traded = crowd.minute(number)
            bars, start = np.where(traded > 0, values, bars), np.where(traded > 0, number * MINUTE_MS, start)
        previous = self._estimate(crowd, before.open_ms // MINUTE_MS, before.close_ms // MINUTE_MS)
        day = self._estimate(crowd, first, first + (newest - first) // SAMPLE_MINUTES * SAMPLE_MINUTES + 1).copy()
        known = start > 0
        day[1], day[3] = np.maximum(day[1], bars[1]), np.where(known, bars[3], day[3])
        day[2] = np.where(known, np.minimum(day[2], bars[2]), day[2])
        rows = zip(crowd.symbols, day.T.tolist(), previous.T.tolist(), bars.T.tolist(), start.tolist(), strict=True)
        return [
            encode(_shaped(symbol, _named(now), _named(then), _named(bar) | {"t": at, "n": int(bar[6])}))
            for symbol, now, then, bar, at in rows
        ]


def _estimate(crowd: Crowd, first: int, end: int) -> np.ndarray:
    """Estimate the bar of the minutes with the numbers first..end: rows o, h, l, c, v, vw."""
    o, h, low, c, v, vw, *_ = crowd.columns(np.arange(first, end, SAMPLE_MINUTES))
    return np.array((o[:, 0], h.max(1), low.min(1), c[:, -1], v.sum(1) * SAMPLE_MINUTES, np.round(vw.mean(1), 4)))


def _named(values: list[float]) -> dict[str, float]:
    o, h, low, c, v, vw, *_ = values
    return {"c": c, "h": h, "l": low, "o": o, "v": v, "vw": vw}


def _shaped(ticker: str, today: dict, before: dict, minute: dict) -> dict[str, Any]:
    price = today["c"] or before["c"]
    change = price - before["c"] if today["c"] else 0.0
    at_ns = (minute["t"] + MINUTE_MS - 1) * 1_000_000
    return {
        "day": today,
        "lastQuote": {"P": round(price * 1.0002, 4), "S": 2, "p": round(price * 0.9998, 4), "s": 3, "t": at_ns},
        "lastTrade": {"c": [14, 41], "i": str(minute["t"]), "p": price, "s": 100, "t": at_ns, "x": 4},
        "min": minute | {"av": today["v"]},
        "prevDay": before,
        "ticker": ticker,
        "todaysChange": round(change, 4),
        "todaysChangePerc": round(100 * change / before["c"], 4) if before["c"] else 0.0,
        "updated": at_ns,
    }


def _only(bar: Bars) -> dict[str, Any]:
    rows = bar.rows()
    return {key: value for key, value in rows[0].items() if key in ZERO} if rows else ZERO
