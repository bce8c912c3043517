"""Thousands of generated symbols, cheap enough for a whole market: each minute is computed when it is asked for.

Every value is a closed form of (seed, symbol, minute), so that one symbol's hour and one minute of all symbols cost
little and agree. Prices swing slowly around a level; only planned anomalies leave the band of the bars before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from zlib import crc32

import numpy as np

from include.polygon_simulator.anomalies import Label
from include.polygon_simulator.bars import Bars, Source
from include.surveillance.sessions import Session
from include.surveillance.timespans import MINUTE_MS

THIN_EVERY, THIN_TRADES = 10, 0.7  # one symbol of so many trades in this share of the minutes only
BURST_MINUTES, BURST_TIMES = 3, 10  # of abnormal volume
# A breakout leaves the band in steps of so many widths of it, with volume, and fades more slowly than the band is wide.
RISE_MINUTES, RISE_WIDTHS, FADE_WIDTHS, RISE_TIMES = 3, 3.0, 0.1, 1.8
KEPT_MINUTES = 32  # of all symbols: what polls ask for again and again
SHORTEST_CYCLE, LONGEST_CYCLE = 180, 1440  # minutes between two anomalies of a symbol


class Crowd(Source):
    """Minute bars of many symbols and the labels of their anomalies; a few begin in every minute.

    Args:
        seed: of the market.
        symbols: their order decides who has an anomaly when.
    """

    def __init__(self, seed: int, symbols: tuple[str, ...]):
        self.symbols, self._seed = symbols, seed
        self._index = {symbol: index for index, symbol in enumerate(symbols)}
        self._cycle = int(np.clip(len(symbols) // 4, SHORTEST_CYCLE, LONGEST_CYCLE))
        names = np.array([crc32(symbol.encode()) for symbol in symbols], dtype=np.uint64)
        self._keys = _mixed(names + np.uint64(seed % 2**31 << 32))
        level, activity, width, thin = _uniforms(_mixed(self._keys))
        self._level, self._activity = 8 * np.exp(3.2 * level), 150 * np.exp(4 * activity)
        self._width = 4e-4 * (1 + width)
        self._trades = np.where(thin < 1 / THIN_EVERY, THIN_TRADES, 1.0)
        self.minute = lru_cache(KEPT_MINUTES)(self._minute)
        self._slow, self._fast, *_ = (2 * np.pi * phase for phase in _uniforms(_mixed(_mixed(self._keys))))

    def minutes(self, symbol: str, session: Session, start_ms: int, end_ms: int) -> Bars:
        first = -(-max(start_ms, session.open_ms) // MINUTE_MS)
        numbers = np.arange(first, -(-min(end_ms, session.close_ms) // MINUTE_MS), dtype=np.int64)
        index = self._index[symbol]
        if len(numbers) <= KEPT_MINUTES // 2:
            columns = np.array([self.minute(number)[:, index] for number in numbers.tolist()]).reshape(-1, 8).T
        else:
            columns = np.array(self.columns(numbers, slice(index, index + 1)))[:, 0]
        *values, traded = columns
        return Bars(numbers * MINUTE_MS, *values).at(traded > 0)

    def _minute(self, number: int) -> np.ndarray:
        """Return one minute of all symbols: a row for each array of ``columns``."""
        return np.array(self.columns(np.array([number])))[:, :, 0]

    def columns(self, numbers: np.ndarray, symbols: slice = slice(None)) -> tuple[np.ndarray, ...]:
        """Return bars of the minutes with these numbers, counted from 1970, of a slice of the symbols or of all.

        The arrays are o, h, l, c, v, vw, n, each of symbols x minutes, and where a bar was traded: others do not exist.
        """
        chosen = np.arange(len(self.symbols))[symbols, None]
        width, turn = self._width[chosen], numbers + chosen + self._seed
        since, sort = turn % self._cycle, turn // self._cycle + chosen
        burst = (sort % 2 == 0) & (since < BURST_MINUTES)
        risen = np.minimum(since + 1, RISE_MINUTES) * RISE_WIDTHS
        away = np.maximum(risen - np.maximum(since + 1 - RISE_MINUTES, 0) * FADE_WIDTHS, 0) * (sort % 2)
        middle = (
            np.log(self._level[chosen])
            + 0.004 * np.sin(2 * np.pi * numbers / 1440 + self._slow[chosen])
            + 0.002 * np.sin(2 * np.pi * numbers / 390 + self._fast[chosen])
            + width * away * np.where(sort // 2 % 2, 1, -1)
        )
        noise = _mixed(self._keys[chosen] + numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        opened, closed, above, below = _uniforms(noise)
        one, two, three, chance = _uniforms(_mixed(noise))
        o, c = (np.round(np.exp(middle + width * (1.6 * share - 0.8)), 4) for share in (opened, closed))
        h = np.round(np.exp(middle + width * (1.1 + 0.3 * above)), 4)
        low = np.round(np.exp(middle - width * (1.1 + 0.3 * below)), 4)
        times = np.where(burst, BURST_TIMES, np.where((away > 0) & (since < RISE_MINUTES), RISE_TIMES, 1.0))
        # Noise has bounds: without a burst no volume is three times the mean.
        v = np.ceil(self._activity[chosen] * times * np.exp(0.3 * (one + two + three - 1.5)))
        traded = (chance < self._trades[chosen]) | (since < BURST_MINUTES)
        return o, h, low, c, v, np.round((o + h + low + c) / 4, 4), 1 + v // 100, traded

    def labels(self, session: Session, start_ms: int, end_ms: int) -> Iterator[Label]:
        """Yield the labels of the session's anomalies that begin in [start_ms, end_ms]."""
        last = min(end_ms, session.close_ms - 1) // MINUTE_MS
        for number in range(-(-max(start_ms, session.open_ms) // MINUTE_MS), last + 1):
            for index in range(-(number + self._seed) % self._cycle, len(self.symbols), self._cycle):
                rises = ((number + index + self._seed) // self._cycle + index) % 2
                yield {
                    "kind": "price_breakout" if rises else "abnormal_volume",
                    "symbol": self.symbols[index],
                    "start_ms": number * MINUTE_MS,
                    "end_ms": (number + (12 if rises else 4)) * MINUTE_MS,
                    "detail": "three wide steps" if rises else f"three minutes of {BURST_TIMES} times the volume",
                }


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Mix numbers into ones that look random, the same for the same input: the finalizer of splitmix64."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _uniforms(mixed: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return four arrays in [0, 1), of 16 bits each."""
    return tuple((mixed >> np.uint64(16 * part) & np.uint64(0xFFFF)) / 65536 for part in range(4))
