"""What a rule of bars is: a name, a version, its parameters, a measure, a verdict and a sentence.

A rule is a frozen struct whose fields are its parameters. It never looks at a clock. Measuring is apart from judging:
``measure`` writes a statistic for every bar, ``judge`` holds it against the limits. A measure that is NaN is not
applicable (too little to go on), which differs from a bar that was looked at and did not fire.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np

from include.surveillance.detection.scan import Scan

Direction = Literal["up", "down", ""]
KINDS: tuple[tuple[str, Direction], ...] = (
    ("abnormal_volume", ""),
    ("volatility_spike", ""),
    ("price_breakout", "up"),
    ("price_breakout", "down"),
    ("price_gap", "up"),
    ("price_gap", "down"),
)
"""Rule and direction of what can fire at a bar; a kind is an index here."""
VOLUME, VOLATILITY, BREAKOUT_UP, BREAKOUT_DOWN, GAP_UP, GAP_DOWN = range(len(KINDS))


@dataclass(frozen=True)
class Fired:
    """The bars at which one kind fired, in order, and per bar what an alert tells of it.

    ``exceedance`` is how far beyond the limit, in a measure common to all rules: 1 at the limit, 2 at twice the limit,
    and so on; each rule says how it counts.
    """

    kind: int
    index: np.ndarray
    value: np.ndarray
    threshold: np.ndarray
    baseline: np.ndarray
    exceedance: np.ndarray

    def take(self, which: np.ndarray) -> Fired:
        return Fired(
            self.kind,
            self.index[which],
            self.value[which],
            self.threshold[which],
            self.baseline[which],
            self.exceedance[which],
        )


@dataclass(frozen=True)
class Firing:
    """One firing, with all that its sentence may need. ``at(name)`` is a measure at the bar."""

    symbol: str
    timespan: str
    direction: Direction
    index: int
    value: float
    threshold: float
    baseline: float
    scan: Scan

    def at(self, measure: str) -> float:
        return float(self.scan.measures[measure][self.index])

    @property
    def ts_ms(self) -> int:
        return int(self.scan.bars.ts[self.index])

    @property
    def session_date(self) -> str:
        return self.scan.session_date(self.index)


class BarRule(Protocol):
    """``name``, ``form`` and ``version`` identify the rule on alerts; the version grows when the formula changes."""

    name: ClassVar[str]
    form: ClassVar[Literal["literal", "robust"]]
    version: ClassVar[int]
    window: int

    def measure(self, scan: Scan) -> None:
        """Write this rule's measures of every evaluated bar."""
        ...

    def judge(self, scan: Scan) -> Iterable[Fired]:
        """Where the measures are beyond the limits."""
        ...

    def sentence(self, firing: Firing) -> str:
        """One sentence in plain English."""
        ...


def times_limit(value: np.ndarray, limit: np.ndarray | float) -> np.ndarray:
    """How many times the limit; infinite when the limit is zero."""
    with np.errstate(divide="ignore"):
        return np.divide(value, limit)


def pick(numbers: np.ndarray | float, index: np.ndarray) -> np.ndarray:
    """Of one number per bar, or one for all, those at ``index``."""
    return np.broadcast_to(numbers, index.shape) if np.ndim(numbers) == 0 else numbers[index]
