"""What detection remembers of one symbol at one timespan: a window of bars, a history, open episodes."""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum
from math import log

from msgspec import Struct, field
from msgspec.structs import replace

from ..models import Bar
from .history import History

REMEMBERED = 32
"""Abnormal-volume bars per series, and negative articles per symbol, that a latecomer can still meet."""


class Arrival(Enum):
    """How a bar relates to what is known already."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CORRECTED = "corrected"  # same start, other values
    LATE = "late"  # missing until now, inside the window
    STALE = "stale"  # older than the window


class Episode(Struct):
    """A run of firings of one rule in one direction."""

    start_ms: int
    last_ms: int
    firings: int


class VolumeBar(Struct, frozen=True):
    """A bar that fired abnormal_volume, for articles that are yet to come."""

    ts_ms: int
    event_id: str
    volume: float
    mean: float
    threshold: float
    exceedance: float
    episode_start_ms: int
    polled_ms: int
    source: str


class Article(Struct):
    """A negative article about one symbol. ``met``: episodes that it has fired with, as timespan|start."""

    article_id: str
    event_id: str
    published_ms: int
    polled_ms: int
    title: str
    met: list[str] = field(default_factory=list)

    def copy(self) -> Article:
        return replace(self, met=self.met[:])


class Series(Struct, kw_only=True):
    """Parallel lists of the last bars, oldest first, and what outlives them.

    ``returns[i]`` is ln(close[i + 1] / close[i]). ``regular_*`` describe the latest regular-session bar.
    """

    ts: list[int] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    close: list[float] = field(default_factory=list)
    volume: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    history: History
    regular_ts: int = 0
    regular_close: float = 0.0
    regular_date: str = ""
    regular_id: str = ""
    date: str = ""  # New York date of the window's bars, when windows restart each date
    as_of_ms: int = 0  # latest live watermark
    episodes: dict[str, Episode] = field(default_factory=dict)
    volume_bars: list[VolumeBar] = field(default_factory=list)

    def copy(self) -> Series:
        """Independent of this one."""
        return Series(
            ts=self.ts[:],
            high=self.high[:],
            low=self.low[:],
            close=self.close[:],
            volume=self.volume[:],
            ids=self.ids[:],
            returns=self.returns[:],
            history=self.history.copy(),
            regular_ts=self.regular_ts,
            regular_close=self.regular_close,
            regular_date=self.regular_date,
            regular_id=self.regular_id,
            date=self.date,
            as_of_ms=self.as_of_ms,
            episodes={key: Episode(it.start_ms, it.last_ms, it.firings) for key, it in self.episodes.items()},
            volume_bars=self.volume_bars[:],
        )

    def arrival(self, bar: Bar, capacity: int) -> Arrival:
        if not self.ts or bar.ts_ms > self.ts[-1]:
            return Arrival.NEW
        index = bisect_left(self.ts, bar.ts_ms)
        if self.ts[index] == bar.ts_ms:
            return Arrival.DUPLICATE if self.ids[index] == bar.event_id else Arrival.CORRECTED
        return Arrival.STALE if index == 0 and len(self.ts) >= capacity else Arrival.LATE

    def append(self, bar: Bar, volume: float, one_return: float | None, capacity: int) -> None:
        self.ts.append(bar.ts_ms)
        self.high.append(bar.high)
        self.low.append(bar.low)
        self.close.append(bar.close)
        self.volume.append(volume)
        self.ids.append(bar.event_id)
        if one_return is not None:
            self.returns.append(one_return)
        if len(self.ts) > capacity:
            self._drop_oldest()

    def amend(self, bar: Bar, capacity: int) -> None:
        """Put a late or corrected bar in its place; later windows see it, what was measured stays."""
        index = bisect_left(self.ts, bar.ts_ms)
        known = self.ts[index] == bar.ts_ms
        values = (bar.ts_ms, bar.high, bar.low, bar.close, float(bar.volume), bar.event_id)
        columns = (self.ts, self.high, self.low, self.close, self.volume, self.ids)
        for column, value in zip(columns, values, strict=True):
            column[index : index + known] = [value]
        self.returns = [log(later / earlier) for earlier, later in zip(self.close, self.close[1:], strict=False)]
        if len(self.ts) > capacity:
            self._drop_oldest()

    def restart(self) -> None:
        """Empty the window; the history stays."""
        for column in (self.ts, self.high, self.low, self.close, self.volume, self.ids, self.returns):
            column.clear()

    def _drop_oldest(self) -> None:
        for column in (self.ts, self.high, self.low, self.close, self.volume, self.ids, self.returns):
            del column[0]
