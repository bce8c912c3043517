"""Bars as columns: what the engine computes on. A code stands for a series, (symbol, timespan)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cached_property

import numpy as np

from include.surveillance.records import Bar

SeriesKey = tuple[str, str]
"""(symbol, timespan)"""
BarStamp = tuple[int, int]
"""(start in UTC epoch ms, revision) of a bar: with its series, its event id."""


def write_event_id(key: SeriesKey, stamp: BarStamp) -> str:
    """Write ``Bar.event_id``."""
    return f"{key[0]}|{key[1]}|{stamp[0]}|{stamp[1]:08x}"


OPTIONAL = ("vwap", "trades")
UNKNOWN = np.full((), np.nan)


@dataclass(frozen=True)
class BarColumns:
    """Bars as columns, one array element each; in the order of the log unless said otherwise.

    Attributes:
        keys: (symbol, timespan) of each code.
        code: index into ``keys``, int32.
        ts: start, UTC epoch ms, int64.
        open, high, low, close: dollars per share, unadjusted, float64.
        volume: shares, float64.
        revision: ``records.bar_revision``, uint32.
        polled: wall clock of the poll, UTC epoch ms, int64; 0 when recorded.
        live: whether a live poll brought it, bool.
        vwap: volume-weighted average price, dollars per share, float64; NaN where the vendor gave none.
        trades: how many trades, float64; NaN where the vendor gave none.
    """

    keys: list[SeriesKey]
    code: np.ndarray
    ts: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    revision: np.ndarray
    polled: np.ndarray
    live: np.ndarray
    vwap: np.ndarray = field(default_factory=lambda: UNKNOWN)
    trades: np.ndarray = field(default_factory=lambda: UNKNOWN)

    def __post_init__(self) -> None:
        for name in OPTIONAL:
            if getattr(self, name) is UNKNOWN:
                object.__setattr__(self, name, np.full(len(self.ts), np.nan))

    def __len__(self) -> int:
        return len(self.ts)

    def take(self, index: np.ndarray | slice) -> BarColumns:
        """Take the bars at ``index``, in its order."""
        return BarColumns(self.keys, *(getattr(self, name)[index] for name in COLUMNS))

    def key(self, index: int) -> SeriesKey:
        """(symbol, timespan) of one bar."""
        return self.keys[self.code[index]]

    def event_id(self, index: int) -> str:
        """As ``Bar.event_id``."""
        return self.event_ids(slice(index, index + 1))[0]

    def event_ids(self, index: np.ndarray | slice) -> list[str]:
        """``event_id`` of the bars at ``index``, in its order."""
        ids = self._ids[index].tolist()
        if None in ids:
            columns = (self.code[index].tolist(), self.ts[index].tolist(), self.revision[index].tolist())
            ids = [f"{self._names[code]}|{ts}|{revision:08x}" for code, ts, revision in zip(*columns, strict=True)]
            self._ids[index] = ids
        return ids

    @cached_property
    def _ids(self) -> np.ndarray:
        """Event ids made so far, None for the others: the windows of alerts hold the same bars again and again."""
        return np.full(len(self), None, object)

    @cached_property
    def _names(self) -> list[str]:
        return [f"{symbol}|{timespan}" for symbol, timespan in self.keys]

    @classmethod
    def from_records(cls, bars: Sequence[Bar]) -> BarColumns:
        """Take the columns from records, in their order."""
        codes: dict[SeriesKey, int] = {}
        code = [codes.setdefault((bar.symbol, bar.timespan), len(codes)) for bar in bars]
        prices = np.array([(bar.open, bar.high, bar.low, bar.close) for bar in bars], dtype=float).reshape(-1, 4)
        return cls(
            keys=list(codes),
            code=np.array(code, dtype=np.int32),
            ts=np.array([bar.ts_ms for bar in bars], dtype=np.int64),
            **{name: prices[:, at].copy() for at, name in enumerate(("open", "high", "low", "close"))},
            volume=np.array([float(bar.volume) for bar in bars], dtype=float),
            revision=np.array([int(bar.revision, 16) for bar in bars], dtype=np.uint32),
            polled=np.array([bar.polled_ms for bar in bars], dtype=np.int64),
            live=np.array([bar.source == "live" for bar in bars], dtype=bool),
            vwap=np.array([bar.vwap for bar in bars], dtype=float),
            trades=np.array([bar.trades for bar in bars], dtype=float),
        )

    def to_records(self) -> list[Bar]:
        """Make records of the bars, in their order."""
        values = zip(*(getattr(self, name).tolist() for name in COLUMNS), strict=True)
        return [
            Bar(
                symbol=self.keys[code][0], timespan=self.keys[code][1], ts_ms=ts, open=open_, high=high, low=low,
                close=close, volume=Decimal(str(volume)), vwap=None if vwap != vwap else vwap,
                trades=None if trades != trades else int(trades), source="live" if live else "backfill",
                polled_ms=polled, revision=f"{revision:08x}",
            )
            for code, ts, open_, high, low, close, volume, revision, polled, live, vwap, trades in values
        ]  # fmt: skip


COLUMNS = tuple(it.name for it in fields(BarColumns))[1:]
