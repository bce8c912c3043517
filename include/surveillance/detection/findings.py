"""The result of one pass over bars: the scan, and the firings in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.profile_columns import ProfileColumns
from include.surveillance.detection.scan import Scan


@dataclass(frozen=True)
class Firings:
    """Firings as columns, sorted by bar and kind, one array element each.

    Attributes:
        index: index of the bar in the scan, int64.
        kind: index into ``registry.KINDS``, int8.
        form: index into ``bar_rule.FORMS``, int8.
        value, threshold, baseline, exceedance: as in ``bar_rule.Fired``, float64.
        rarity: once in how many sessions the series goes so far, float64; NaN where that is not known.
        score, severity: as ``alerts.severity`` gives them.
        start: start of the first bar of the episode, UTC epoch ms, int64.
        count: firings of the episode so far, int64.
        effect: what the firing does to its episode, as in ``episodes``, int64.
    """

    index: np.ndarray
    kind: np.ndarray
    form: np.ndarray
    value: np.ndarray
    threshold: np.ndarray
    baseline: np.ndarray
    exceedance: np.ndarray
    rarity: np.ndarray
    score: np.ndarray
    severity: np.ndarray
    start: np.ndarray
    count: np.ndarray
    effect: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, which: np.ndarray) -> Firings:
        """Take the firings at ``which``, an index or a mask."""
        return Firings(**{name: array[which] for name, array in vars(self).items()})


@dataclass(frozen=True)
class Evaluation:
    """One pass over bars. Its scan also holds bars that were evaluated before, to look back on or to revise.

    Attributes:
        scan: all bars, sorted by series and time, and their measures.
        firings: of fresh bars and of those that can still be revised.
        profiles: all that the engine knows; ``scan.profile`` is an index into them.
    """

    scan: Scan
    firings: Firings
    profiles: ProfileColumns

    def evaluated(self, s: int) -> np.ndarray:
        """Indices in the scan of the evaluated bars of one series, int64."""
        return np.arange(self.scan.segments.evaluate_from[s], self.scan.segments.end[s])

    def profile_version(self, number: int) -> str | None:
        """Version of a profile as alerts and metrics cite it; None for -1."""
        return self.profiles.version(number) if number >= 0 else None

    @cached_property
    def fresh(self) -> np.ndarray:
        """Which bars of the scan are new, bool."""
        return _marked(self.scan.segments.new_from, self.scan.segments.end, len(self.scan))

    @cached_property
    def bars(self) -> BarColumns:
        """The new bars."""
        return self.scan.bars.take(self.fresh)

    @cached_property
    def measures(self) -> dict[str, np.ndarray]:
        """Measures of the new bars by name; prices and volumes in the shares of each bar's own day."""
        return {name: self.scan.measured(name, self.fresh) for name in self.scan.measures}

    @cached_property
    def fresh_firings(self) -> Firings:
        """Firings of the new bars; ``index`` still refers to the scan."""
        return self.firings.take(self.fresh[self.firings.index])


@njit(cache=True)
def _marked(start, stop, n):
    marked = np.zeros(n, np.bool_)
    for s in range(len(start)):
        marked[start[s] : stop[s]] = True
    return marked
