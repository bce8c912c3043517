"""Bars to measure on: a seeded log-normal market, made chunk by chunk, and recorded bars repeated under new names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from include.surveillance.detection.columns import BarColumns
from include.surveillance.timespans import MINUTE_MS

SEED = 20240229
SESSION_MINUTES = 390
FIRST_OPEN = "2015-01-05 09:30"


class Market:
    """Every symbol has a bar in every regular minute of every weekday; bars come as in a log, minute by minute.

    Returns are normal with a volatility that drifts, volumes log-normal with a U over the session and bursts.
    """

    def __init__(self, symbols: int, seed: int = SEED):
        self.random = np.random.default_rng(seed)
        self.keys = [(f"S{number:05d}", "minute") for number in range(symbols)]
        self.close = np.exp(self.random.normal(4, 0.8, symbols))
        self.level = self.random.normal(8, 1.5, symbols)
        self.minute = 0

    def bars(self, minutes: int) -> BarColumns:
        """Return the next ``minutes`` of every symbol: minutes * symbols bars."""
        random, shape = self.random, (minutes, len(self.keys))
        number = self.minute + np.arange(minutes)
        self.minute += minutes
        at = number % SESSION_MINUTES
        busy = 1 + 1.5 * np.abs(at / SESSION_MINUTES - 0.5)
        volatility = 5e-4 * busy * np.exp(0.4 * np.sin(number / 700))
        moves = random.standard_normal(shape) * volatility[:, None]
        moves[at == 0] += random.normal(0, 0.01, len(self.keys))
        close = np.round(np.clip(self.close * np.exp(np.cumsum(moves, axis=0)), 1, 1e5), 2)
        before = np.vstack([np.round(self.close, 2), close[:-1]])
        opened = np.where((at == 0)[:, None], close, before)
        reach = np.round(np.abs(random.standard_normal(shape)) * volatility[:, None] * close, 2)
        self.close = close[-1]
        volume = np.exp(self.level + np.log(busy)[:, None] + 0.8 * random.standard_normal(shape))
        volume[random.random(shape) < 0.002] *= 8
        flat = (np.maximum(opened, close) + reach, np.minimum(opened, close) - np.minimum(reach, 0.5), close)
        count = close.size
        return BarColumns(
            keys=self.keys,
            code=np.tile(np.arange(len(self.keys), dtype=np.int32), minutes),
            ts=np.repeat(_starts(number), len(self.keys)),
            open=opened.ravel(),
            high=flat[0].ravel(),
            low=flat[1].ravel(),
            close=flat[2].ravel(),
            volume=np.ceil(volume).ravel(),
            revision=np.zeros(count, np.uint32),
            polled=np.zeros(count, np.int64),
            live=np.zeros(count, bool),
        )

    def chunks(self, bars: int, chunk: int) -> Iterator[BarColumns]:
        """Yield ``bars`` bars in pieces of at most ``chunk``; both are rounded to whole minutes."""
        left = -(-bars // len(self.keys))
        while left > 0:
            minutes = min(left, max(1, chunk // len(self.keys)))
            left -= minutes
            yield self.bars(minutes)


def read_recorded(folder: Path) -> pd.DataFrame:
    """Read every bar file of the folder, as one table in order of time."""
    tables = [pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]
    # Two files hold day bars of one symbol and overlap: each file is a market of its own.
    tables = [table.assign(symbol=table["symbol"] + f"@{number}") for number, table in enumerate(tables)]
    return pd.concat(tables, ignore_index=True).sort_values("ts_ms", kind="stable", ignore_index=True)


def repeat(bars: pd.DataFrame, at_least: int) -> BarColumns:
    """Return the same bars under as many names as it takes, in order of time."""
    times = -(-at_least // len(bars))
    copies = [bars.assign(symbol=bars["symbol"] + f"#{number}") for number in range(times)]
    return columns(pd.concat(copies).sort_values("ts_ms", kind="stable", ignore_index=True))


def columns(bars: pd.DataFrame) -> BarColumns:
    """Turn a table into columns."""
    keys = pd.MultiIndex.from_frame(bars[["symbol", "timespan"]])
    code, known = pd.factorize(keys)
    numbers = {name: bars[name].to_numpy(float) for name in ("open", "high", "low", "close", "volume")}
    count = len(bars)
    return BarColumns(
        keys=[tuple(key) for key in known],
        code=code.astype(np.int32),
        ts=bars["ts_ms"].to_numpy(np.int64),
        **numbers,
        revision=np.zeros(count, np.uint32),
        polled=np.zeros(count, np.int64),
        live=np.zeros(count, bool),
    )


def table(bars: BarColumns) -> pd.DataFrame:
    """Turn columns into a table."""
    symbols, timespans = np.array([key[0] for key in bars.keys]), np.array([key[1] for key in bars.keys])
    named = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    about = {"symbol": symbols[bars.code], "timespan": timespans[bars.code], "ts_ms": bars.ts}
    return pd.DataFrame(about | named)


def by_series(bars: BarColumns) -> BarColumns:
    """Return one series after the other, each in order of time, as files are read."""
    return bars.take(np.argsort(bars.code, kind="stable"))


def pieces(bars: BarColumns, chunk: int) -> list[BarColumns]:
    """Return consecutive parts of at most ``chunk`` bars."""
    return [bars.take(slice(start, start + chunk)) for start in range(0, len(bars), chunk)]


def _starts(number: np.ndarray) -> np.ndarray:
    """Return the UTC epoch ms of regular minutes counted from FIRST_OPEN, weekday after weekday."""
    session, minute = np.divmod(number, SESSION_MINUTES)
    days, which = np.unique(session, return_inverse=True)
    dates = pd.Timestamp(FIRST_OPEN) + pd.to_timedelta([7 * (day // 5) + day % 5 for day in days.tolist()], unit="D")
    opens = dates.tz_localize("America/New_York").tz_convert("UTC").as_unit("ms").asi8
    return opens[which] + minute * MINUTE_MS
