"""Generated minute bars: a function of (seed, symbol, session) and of nothing else.

A price starts from the previous session's level and is bridged to its own session's level, both closed forms, so
no history has to be generated to know any session.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from zlib import crc32

import numpy as np

from include.polygon_simulator.anomalies import CALM, Anomaly, Plan
from include.polygon_simulator.bars import Bars, Source
from include.polygon_simulator.universe import Instrument
from include.surveillance.sessions import Session, Sessions
from include.surveillance.timespans import MINUTE_MS

SECTOR_WEIGHT, MARKET_WEIGHT = 0.4, 0.5
OWN_WEIGHT = (1 - SECTOR_WEIGHT**2 - MARKET_WEIGHT**2) ** 0.5
SPLIT_EVERY_DAYS = 300


class SyntheticSource(Source):
    """Minute bars of generated instruments, anomalies included.

    Prices are in today's shares of the instrument's first block; ``share_factor`` says what one share of a session
    is worth in them.
    """

    def __init__(self, seed: int, instruments: tuple[Instrument, ...], sessions: Sessions, plan: Plan, splits: bool):
        self._seed, self._sessions, self._plan, self._splits = seed, sessions, plan, splits
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._whole = lru_cache(maxsize=512)(self._minutes)
        self._broken = lru_cache(maxsize=512)(self._breakages)
        self._factor = lru_cache(maxsize=64)(self._draw_factor)

    def _rng(self, *words: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, *(crc32(word.encode()) for word in words)])

    def share_factor(self, symbol: str, session: Session) -> float:
        """Return 1 or 2: forward and reverse splits take turns, so the price stays near its level."""
        if not self._splits:
            return 1.0
        block = (date.fromisoformat(session.date).toordinal() + crc32(symbol.encode())) // SPLIT_EVERY_DAYS
        return 1.0 + block % 2

    def minutes(self, symbol: str, session: Session, start_ms: int, end_ms: int) -> Bars:
        return self._whole(symbol, session).between(start_ms, end_ms)

    def breakages(self, symbol: str, session: Session) -> dict[int, str]:
        return self._broken(symbol, session)

    def _breakages(self, symbol: str, session: Session) -> dict[int, str]:
        """Map the start of each broken bar to what is broken. Longer bars are made of the true values."""
        return {
            session.open_ms + anomaly.minute * MINUTE_MS: anomaly.detail
            for anomaly in self._plan.for_symbol(symbol, session)
            if anomaly.kind == "data_quality"
        }

    def _level(self, instrument: Instrument, session_date: str) -> float:
        """Return the log price at a session's close: slow waves and a little noise, within 20 % of the base price."""
        ordinal = date.fromisoformat(session_date).toordinal()
        phases = self._rng(instrument.symbol, "phases").uniform(0, 2 * np.pi, 2)
        waves = 0.6 * np.sin(2 * np.pi * ordinal / 181 + phases[0]) + 0.3 * np.sin(2 * np.pi * ordinal / 41 + phases[1])
        noise = self._rng(instrument.symbol, session_date, "level").uniform(-0.05, 0.05)
        return float(np.log(instrument.price) + 0.18 * (waves + noise))

    def _draw_factor(self, word: str, session_date: str, size: int) -> np.ndarray:
        """Draw returns of unit variance that all instruments with the same word share."""
        return _fat_tailed(self._rng("factor", word, session_date), size)

    def _minutes(self, symbol: str, session: Session) -> Bars:
        instrument = self._instruments[symbol]
        rng = self._rng(symbol, session.date)
        size = (session.close_ms - session.open_ms) // MINUTE_MS
        anomalies = self._plan.for_symbol(symbol, session)
        position = (np.arange(size) + 0.5) / size

        sigma = rng.uniform(0.015, 0.019) / np.sqrt(size)
        sigma = sigma * (0.85 + 0.5 * np.exp(-position / 0.05) + 0.25 * np.exp(-(1 - position) / 0.04))
        moving = _moving(anomalies, size)
        returns = (
            moving
            * sigma
            * (
                MARKET_WEIGHT * self._factor("market", session.date, size)
                + SECTOR_WEIGHT * self._factor(instrument.sector, session.date, size)
                + OWN_WEIGHT * _fat_tailed(rng, size)
            )
        )
        volume = self._volume(rng, instrument, position)
        for anomaly in anomalies:
            _inject(anomaly, rng, returns, sigma, volume)

        start, end = self._open(rng, instrument, session, anomalies), self._level(instrument, session.date)
        path = start + np.r_[0.0, np.cumsum(returns)]
        path += (end - path[-1]) * np.r_[0.0, np.cumsum(moving)] / moving.sum()
        opens, closes = path[:-1] + np.r_[0.0, 0.1 * sigma[1:] * rng.standard_normal(size - 1)], path[1:]
        upper, lower = 0.4 * sigma * np.abs(rng.standard_normal((2, size))).clip(max=3)
        o, c = np.round(np.exp(opens), 4), np.round(np.exp(closes), 4)
        h = np.round(np.maximum(o, c) * np.exp(upper), 4)
        low = np.round(np.minimum(o, c) * np.exp(-lower), 4)
        bars = Bars(
            t=session.open_ms + MINUTE_MS * np.arange(size, dtype=np.int64),
            o=o,
            h=h,
            l=low,
            c=c,
            v=volume,
            vw=np.round((o + h + low + c) / 4, 4),
            n=1.0 + np.floor(volume / rng.uniform(80, 160)),
        )
        return bars.at(self._traded(rng, instrument, position, anomalies))

    def _open(
        self, rng: np.random.Generator, instrument: Instrument, session: Session, anomalies: list[Anomaly]
    ) -> float:
        previous = self._sessions.at_or_before(session.open_ms - 1)
        overnight = float(np.clip(rng.normal(0, 0.002), -0.006, 0.006))
        for anomaly in anomalies:
            if anomaly.kind == "price_gap":
                overnight = anomaly.sign * rng.uniform(0.1, 0.13)
        return self._level(instrument, previous.date if previous else session.date) + overnight

    def _volume(self, rng: np.random.Generator, instrument: Instrument, position: np.ndarray) -> np.ndarray:
        """Draw shares a minute: high at the open and the close, low between, with log-normal noise."""
        profile = 0.7 + 1.8 * np.exp(-position / 0.07) + 1.4 * np.exp(-(1 - position) / 0.06)
        noise = np.exp(0.33 * rng.standard_normal(len(position)))
        daily = instrument.daily_volume * np.exp(0.25 * rng.standard_normal())
        volume = np.maximum(1.0, np.floor(daily * profile / profile.sum() * noise))
        fraction = np.round(rng.uniform(0, 1, len(position)), 6)
        return np.where(rng.uniform(0, 1, len(position)) < 0.04, volume + fraction, volume)

    def _traded(
        self, rng: np.random.Generator, instrument: Instrument, position: np.ndarray, anomalies: list[Anomaly]
    ) -> np.ndarray:
        traded = np.ones(len(position), dtype=bool)
        if instrument.thin:
            traded = rng.uniform(0, 1, len(position)) < 0.35 + 0.5 * np.abs(2 * position - 1) ** 3
        for anomaly in anomalies:
            if anomaly.kind == "feed_freshness":
                traded[anomaly.minute : anomaly.minute + anomaly.minutes] = False
        return traded


def _fat_tailed(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.clip(rng.standard_t(4, size) / 2**0.5, -6, 6)


def _moving(anomalies: list[Anomaly], size: int) -> np.ndarray:
    """Return how much the price moves in each minute, 1 for as usual."""
    moving = np.ones(size)
    for anomaly in anomalies:
        if anomaly.kind == "price_breakout":
            moving[anomaly.minute - CALM : anomaly.minute] = 0.2
        elif anomaly.kind == "feed_freshness":
            # Else the first return after the silence would be a jump, and to a profile jumps would be usual.
            moving[anomaly.minute : anomaly.minute + anomaly.minutes] = 0.1
    return moving


def _inject(
    anomaly: Anomaly, rng: np.random.Generator, returns: np.ndarray, sigma: np.ndarray, volume: np.ndarray
) -> None:
    """Change returns and volumes in place."""
    at = slice(anomaly.minute, anomaly.minute + anomaly.minutes)
    size = anomaly.minutes
    if anomaly.kind == "price_breakout":
        returns[at] = anomaly.sign * sigma[at] * rng.uniform(0.5, 2.0, size)
        returns[at.start] = anomaly.sign * 13 * sigma[at.start]
        # Who leaves a range takes volume along.
        volume[at] = np.floor(volume[at] * 3)
        volume[at.start] = np.floor(volume[at.start] * 6)
    elif anomaly.kind == "volatility_spike":
        signs = rng.permutation(np.resize([-1.0, 1.0], size))
        returns[at] = 20 * sigma[at] * signs * rng.uniform(0.7, 1.3, size)
    elif anomaly.kind in ("abnormal_volume", "news_impact"):
        burst = slice(*burst_minutes(anomaly))
        usual = np.median(volume[burst.start - 20 : burst.start])
        volume[burst] = np.floor(usual * rng.uniform(28, 36, 3))
        if anomaly.kind == "news_impact":
            returns[burst] = -sigma[burst] * rng.uniform(1.5, 2.5, 3)


def burst_minutes(anomaly: Anomaly) -> tuple[int, int]:
    """Return the minutes of extra volume: at once, or two minutes after the article when news leads."""
    start = anomaly.minute + (2 if anomaly.kind == "news_impact" and anomaly.sign > 0 else 0)
    return start, start + 3


def article_minute(anomaly: Anomaly) -> int:
    return anomaly.minute if anomaly.sign > 0 else anomaly.minute + 4
