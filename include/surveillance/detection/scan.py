"""The scan: what one pass reads of bars, sorted by series and time, and what rules measure of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from include.surveillance.detection import windows
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.corporate_actions import CorporateActions
from include.surveillance.detection.percentiles import EarlierValues
from include.surveillance.detection.positions import REGULAR, Positions, iso_date
from include.surveillance.detection.profile_columns import ENOUGH, ProfileColumns
from include.surveillance.detection.segments import Segments
from include.surveillance.sessions import PHASES

Unit = Literal["price", "shares", ""]
"""What a measure counts in: the prices or the shares of one basis per series, which a split changes, or neither."""


@dataclass(frozen=True)
class ProfileTable:
    """Holds profiles as arrays; axis 0 is the profile, axis 1 the slot.

    ``share_factor`` is adjusted price / price on the day from which the profile holds; ``levels`` are [profile, tail,
    period]; ``new`` says whose series is new.
    """

    volume_level: np.ndarray
    volume_scale: np.ndarray
    return_factor: np.ndarray
    volatility_fire: np.ndarray
    volatility_clear: np.ndarray
    range_percent: np.ndarray
    share_factor: np.ndarray
    levels: np.ndarray
    new: np.ndarray

    @classmethod
    def from_profiles(cls, profiles: ProfileColumns, share_factor: np.ndarray, slots: int) -> ProfileTable:
        """Take the arrays of profiles, those of slots widened to so many; NaN is what one does not know."""
        return cls(
            **{name: profiles.widened(name, slots) for name in ("volume_level", "volume_scale", "return_factor")},
            **{name: getattr(profiles, name) for name in ("volatility_fire", "volatility_clear", "range_percent")},
            share_factor=share_factor,
            levels=profiles.levels,
            new=profiles.sessions < ENOUGH,
        )


@dataclass(frozen=True)
class Scan:
    """Holds the bars of one pass, and what rules need and measure of them.

    Attributes:
        bars: as they came, unadjusted. Their first keys are those of the segments; the code of a bar stands for its
            ticker, which need not be the segment's.
        open, high, low, close, volume: the same in shares of one basis per series, so that a split is no move; equal
            to ``bars``' where no split is known.
        share_factor: adjusted price / price of each bar, or None where no series has a split.
        profile: index of the profile that is in force at each bar, -1 for none.
        memory: per row of the state, what rules remember beyond windows.
        history: each series' earlier values of one statistic.
        actions: splits and dividends.
        span: per segment, length of its bars in ms, int64.
        session_reset: windows do not reach into another New York date.
        measures: name -> one float per bar; NaN is not applicable.
        units: name of a measure in prices or shares -> unit.
        looks_back: name of a measure over a window -> bars before a bar that it is made of, beside the bar's own.
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
    profile: np.ndarray
    profiles: ProfileTable
    memory: dict[str, np.ndarray]
    history: EarlierValues
    actions: CorporateActions
    span: np.ndarray
    session_reset: bool = False
    measures: dict[str, np.ndarray] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    looks_back: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bars)

    def new_measure(self, name: str, unit: Unit = "", looks_back: int = 0) -> np.ndarray:
        """Add a measure that is NaN until it is written."""
        measure = self.unset_measure(name, unit, looks_back)
        measure.fill(np.nan)
        return measure

    def unset_measure(self, name: str, unit: Unit = "", looks_back: int = 0) -> np.ndarray:
        """Add a measure of which every bar is going to be written."""
        self.measures[name], self.units[name], self.looks_back[name] = np.empty(len(self)), unit, looks_back
        return self.measures[name]

    def reset_windows(self, window: int, *measures: np.ndarray) -> None:
        """Forget measures whose window reaches into another date, if windows restart each date."""
        if self.session_reset:
            for measure in measures:
                windows.forget_across(self.positions.date, self.segments, window, measure)

    def remembered(self, names: Iterable[str]) -> Iterator[np.ndarray]:
        """Yield what rules remember under these names."""
        return (self.memory[name] for name in names)

    def parts_of_day(self) -> np.ndarray:
        """Number the parts of days: pre-market, regular session with its opening auction, closing auction, post-market.

        One int32 per bar, other for each part of each day.
        """
        phase = np.where(self.positions.regular, np.uint8(REGULAR), self.positions.phase)
        return self.positions.session * np.int32(len(PHASES)) + phase

    def prices_today(self, prices: np.ndarray, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Convert adjusted prices of the bars at ``index`` to the shares of each one's own day."""
        return prices if self.share_factor is None else prices / self.share_factor[index]

    def shares_today(self, volumes: np.ndarray, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Convert adjusted volumes of the bars at ``index`` to the shares of each one's own day."""
        return volumes if self.share_factor is None else volumes * self.share_factor[index]

    def measured(self, name: str, index: np.ndarray) -> np.ndarray:
        """Return a measure of the bars at ``index``, prices and volumes in the shares of each one's own day."""
        values, unit = self.measures[name][index], self.units.get(name, "")
        if unit == "price":
            return self.prices_today(values, index)
        return self.shares_today(values, index) if unit == "shares" else values

    def shares_of_profile(self) -> np.ndarray | None:
        """Return how many shares of its profile one share of each bar is: not 1 where a split lies between them."""
        if self.share_factor is None:
            return None
        return np.where(self.profile >= 0, self.profiles.share_factor[self.profile] / self.share_factor, 1.0)

    def adjusts(self, index: int) -> bool:
        """Say whether prices of this bar are adjusted for a split."""
        return self.share_factor is not None and self.share_factor[index] != 1.0

    def segment(self, index: int) -> int:
        """Return the segment of the bar at ``index``."""
        return int(np.searchsorted(self.segments.end, index, side="right"))

    def phase(self, index: int) -> str:
        return PHASES[self.positions.phase[index]]

    def session_date(self, index: int) -> str:
        return iso_date(int(self.positions.session[index]))
