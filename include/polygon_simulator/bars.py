"""Bars as columns, what is made of them (longer bars, JSON rows), and what a source of them is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from include.surveillance.sessions import Session

COLUMNS = ("t", "o", "h", "l", "c", "v", "vw", "n")


@dataclass(frozen=True)
class Bars:
    """Bars of one symbol in time order, one array per column, named as on the wire.

    ``t`` is the bar's start in UTC epoch milliseconds; ``vw`` and ``n`` are NaN when unknown.
    """

    t: np.ndarray
    o: np.ndarray
    h: np.ndarray
    l: np.ndarray  # noqa: E741 - the vendor's name
    c: np.ndarray
    v: np.ndarray
    vw: np.ndarray
    n: np.ndarray

    def __len__(self) -> int:
        return len(self.t)

    def at(self, index: Any) -> Bars:
        """Return the bars at an index, a slice or where a mask is true."""
        return Bars(*(getattr(self, name)[index] for name in COLUMNS))

    def between(self, start_ms: int, end_ms: int) -> Bars:
        """Return the bars that start in [start_ms, end_ms)."""
        return self.at(slice(*np.searchsorted(self.t, (start_ms, end_ms))))

    def grouped(self, keys: np.ndarray, starts: np.ndarray | None = None) -> Bars:
        """Return one bar per run of equal ``keys``; ``starts`` overrides the start of each."""
        if not len(self):
            return self
        first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        last = np.r_[first[1:], len(self)] - 1
        volume = np.add.reduceat(self.v, first)
        turnover = np.add.reduceat(self.vw * self.v, first)
        return Bars(
            t=self.t[first] if starts is None else starts,
            o=self.o[first],
            h=np.maximum.reduceat(self.h, first),
            l=np.minimum.reduceat(self.l, first),
            c=self.c[last],
            v=np.round(volume, 6),
            vw=np.round(np.divide(turnover, volume, out=np.full_like(volume, np.nan), where=volume > 0), 4),
            n=np.add.reduceat(self.n, first),
        )

    def scaled(self, price: float) -> Bars:
        """Return the same trades in shares that are worth ``price`` times as much."""
        if price == 1.0:
            return self
        prices = {name: np.round(getattr(self, name) * price, 4) for name in ("o", "h", "l", "c", "vw")}
        # Whole shares stay whole.
        volume = np.where(self.v % 1 == 0, np.ceil(self.v / price), np.round(self.v / price, 6))
        return Bars(t=self.t, v=volume, n=self.n, **prices)

    def rows(self) -> list[dict[str, Any]]:
        """Return the bars as the vendor's JSON objects; unknown ``vw`` and ``n`` are absent."""
        columns = (self.v, self.vw, self.o, self.c, self.h, self.l, self.t, self.n)
        rows = []
        for v, vw, o, c, h, low, t, n in zip(*(column.tolist() for column in columns), strict=True):
            row = {"v": v, "vw": vw, "o": o, "c": c, "h": h, "l": low, "t": t, "n": n}
            if vw != vw:
                del row["vw"]
            if n != n:
                del row["n"]
            else:
                row["n"] = int(n)
            rows.append(row)
        return rows


class Source:
    """A source of minute bars, in shares that ``share_factor`` converts to those of a session."""

    def minutes(self, symbol: str, session: Session, start_ms: int, end_ms: int) -> Bars:
        """Return the session's bars that start in [start_ms, end_ms)."""
        raise NotImplementedError

    def breakages(self, symbol: str, session: Session) -> dict[int, str]:
        """Map the start of each bar that arrives broken to what is broken."""
        return {}

    def share_factor(self, symbol: str, session: Session) -> float:
        """Return how many of the source's shares one share of a session is worth."""
        return 1.0


def concatenate(parts: list[Bars]) -> Bars:
    if not parts:
        return Bars(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(7)))
    if len(parts) == 1:
        return parts[0]
    return Bars(*(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))
