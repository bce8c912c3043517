"""One pass over bars: columns sorted by series and time, cut into segments, and what is measured on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.positions import PHASES, Positions, iso_date
from include.surveillance.records import Profile

# Measures that rules write in the basis that splits do not move.
PRICE_MEASURES = frozenset({"highest_high", "lowest_low", "previous_close", "session_close", "atr"})
SHARE_MEASURES = frozenset({"volume_mean"})


class Segments(NamedTuple):
    """The bars of each series that one pass scans: one element per series, int64; kernels take it as it is.

    Attributes:
        state_row: the series' row in the state.
        start: position of the series' first bar.
        evaluate_from: position of the first bar to evaluate; earlier bars are only looked back on.
        new_from: position of the first bar that no earlier pass has evaluated.
        revisable_from: position of the first bar that can still be revised; the state remembers what holds before it.
        end: position after the series' last bar.
    """

    state_row: np.ndarray
    start: np.ndarray
    evaluate_from: np.ndarray
    new_from: np.ndarray
    revisable_from: np.ndarray
    end: np.ndarray


@dataclass(frozen=True)
class ProfileTable:
    """Profiles as arrays; axis 0 is the profile, axis 1 the slot."""

    volume_level: np.ndarray
    volume_scale: np.ndarray
    return_factor: np.ndarray
    volatility_fire: np.ndarray
    volatility_clear: np.ndarray
    range_percent: np.ndarray

    @classmethod
    def of(cls, profiles: Sequence[Profile]) -> ProfileTable:
        """Shorter lists are filled up with NaN."""
        slots = max((len(it.volume_level) for it in profiles), default=1)

        def table(name: str) -> np.ndarray:
            found = np.full((len(profiles), slots), np.nan)
            for row, it in zip(found, profiles, strict=True):
                row[: len(getattr(it, name))] = getattr(it, name)
            return found

        def column(name: str) -> np.ndarray:
            return np.array([getattr(it, name) for it in profiles], dtype=float)

        return cls(
            *(table(name) for name in ("volume_level", "volume_scale", "return_factor")),
            *(column(name) for name in ("volatility_fire", "volatility_clear", "range_percent")),
        )


@dataclass(frozen=True)
class Scan:
    """What rules work on.

    Attributes:
        bars: as they came, unadjusted.
        open, high, low, close, volume: the same in shares of one basis per series, so that a split is no move; equal
            to ``bars``' where no split is known.
        share_factor: adjusted price / price of each bar, or None where no series has a split.
        profile_factor: the same on the day from which each profile holds.
        profile: index of the profile that is in force at each bar, -1 for none.
        memory: per row of the state, what rules remember beyond windows.
        measures: name -> one float per bar; NaN is not applicable.
        limit: (form, rule, field) -> a parameter, one for all bars or one per bar.
        percentile: (scan, statistic, percent, minimum count) -> percentile of each bar's strictly earlier values.
        dividend: (segment, after, until) -> cash per share that went ex between two session ordinals.
        span: per segment, length of its bars in ms, int64.
        by_clock: sessions of the literal gap go by New York's clock.
        session_reset: windows do not reach into another New York date.
    """

    bars: BarColumns
    segments: Segments
    positions: Positions
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    share_factor: np.ndarray | None
    profile_factor: np.ndarray
    profile: np.ndarray
    profiles: ProfileTable
    memory: dict[str, np.ndarray]
    limit: Callable[[str, str, str], float | np.ndarray]
    percentile: Callable[[Scan, np.ndarray, float, int], np.ndarray]
    dividend: Callable[[int, int, int], float]
    span: np.ndarray
    by_clock: bool
    session_reset: bool = False
    measures: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bars)

    def new(self, name: str) -> np.ndarray:
        """A measure to be written, NaN until it is."""
        self.measures[name] = np.full(len(self), np.nan)
        return self.measures[name]

    def blank(self, name: str) -> np.ndarray:
        """A measure of which every bar is going to be written."""
        self.measures[name] = np.empty(len(self))
        return self.measures[name]

    def prices_today(self, prices: np.ndarray, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Adjusted prices of the bars at ``index`` in the shares of each one's own day."""
        return prices if self.share_factor is None else prices / self.share_factor[index]

    def shares_today(self, volumes: np.ndarray, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Adjusted volumes of the bars at ``index`` in the shares of each one's own day."""
        return volumes if self.share_factor is None else volumes * self.share_factor[index]

    def measured(self, name: str, index: np.ndarray) -> np.ndarray:
        """A measure of the bars at ``index``, prices and volumes in the shares of each one's own day."""
        values = self.measures[name][index]
        if name in PRICE_MEASURES:
            return self.prices_today(values, index)
        return self.shares_today(values, index) if name in SHARE_MEASURES else values

    def shares_of_profile(self) -> np.ndarray | None:
        """Shares of each bar's profile that one share of its day is: not 1 where a split has come between them."""
        if self.share_factor is None:
            return None
        return np.where(self.profile >= 0, self.profile_factor[self.profile] / self.share_factor, 1.0)

    def adjusts(self, index: int) -> bool:
        """Whether a split is known up to this bar."""
        return self.share_factor is not None and self.share_factor[index] != 1.0

    def phase(self, index: int) -> str:
        return PHASES[self.positions.phase[index]]

    def session_date(self, index: int) -> str:
        return iso_date(int(self.positions.session[index]))
