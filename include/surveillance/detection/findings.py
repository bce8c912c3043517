"""What one pass over bars finds: what fired, and the scan it fired in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.scan import Scan
from include.surveillance.records import Profile


@dataclass(frozen=True)
class Firings:
    """What fired, sorted by bar and kind; one element each.

    Attributes:
        index: of the bar in the scan.
        kind: index into ``rules.rule.KINDS``.
        form: 0 literal, 1 robust.
        value, threshold, baseline, exceedance: as in ``rules.rule.Fired``.
        score, severity: see ``alerts``.
        start, count: of the episode: its first bar's start, and how many firings it has by then.
        does: what the firing does to it, see ``episodes``.
    """

    index: np.ndarray
    kind: np.ndarray
    form: np.ndarray
    value: np.ndarray
    threshold: np.ndarray
    baseline: np.ndarray
    exceedance: np.ndarray
    score: np.ndarray
    severity: np.ndarray
    start: np.ndarray
    count: np.ndarray
    does: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def take(self, which: np.ndarray) -> Firings:
        return Firings(**{name: array[which] for name, array in vars(self).items()})


@dataclass(frozen=True)
class Evaluation:
    """What one pass found. A scan also holds bars that were evaluated before, to look back on or to revise.

    Attributes:
        scan: all bars, sorted by series and time, and their measures.
        firings: of fresh bars and of those that can still be revised.
    """

    scan: Scan
    firings: Firings
    profiles: Sequence[Profile]

    def evaluated(self, s: int) -> np.ndarray:
        """Positions of the bars of one series that were evaluated."""
        return np.arange(self.scan.segments.evaluate_from[s], self.scan.segments.end[s])

    def profile_version(self, number: int) -> str | None:
        """As alerts and metrics cite it."""
        return self.profiles[number].version if number >= 0 else None

    @cached_property
    def fresh(self) -> np.ndarray:
        """Positions in the scan of the bars that are new, bool."""
        return _marked(self.scan.segments.new_from, self.scan.segments.end, len(self.scan))

    @cached_property
    def bars(self) -> BarColumns:
        """The new bars."""
        return self.scan.bars.take(self.fresh)

    @cached_property
    def measures(self) -> dict[str, np.ndarray]:
        """Of the new bars; prices and volumes in the shares of each bar's own day."""
        return {name: self.scan.measured(name, self.fresh) for name in self.scan.measures}

    @cached_property
    def fresh_firings(self) -> Firings:
        """Of the new bars; ``index`` still refers to the scan."""
        return self.firings.take(self.fresh[self.firings.index])


@njit(cache=True)
def _marked(start, stop, n):
    marked = np.zeros(n, np.bool_)
    for s in range(len(start)):
        marked[start[s] : stop[s]] = True
    return marked
