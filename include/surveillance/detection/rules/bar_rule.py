"""What every rule of bars is, and what it fires."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, Literal, TypeVar, get_type_hints

import numpy as np
from msgspec import Struct

from include.surveillance.detection.columns import BarStamp
from include.surveillance.detection.findings import Evaluation
from include.surveillance.detection.scan import Scan
from include.surveillance.timespans import SPAN_MS, Timespan

RuleForm = Literal["literal", "robust"]
FORMS: tuple[RuleForm, ...] = ("literal", "robust")
Direction = Literal["up", "down", ""]
SIDES: tuple[tuple[Direction, float], ...] = (("up", 1.0), ("down", -1.0))
"""The two directions of a price, and the sign of each."""
Limits = Callable[[str], np.ndarray]
"""Field of a rule -> its value in force, one per bar of a scan."""

T = TypeVar("T")
_STRUCTURAL = "structural"
Structural = Annotated[T, _STRUCTURAL]
"""A field that shapes what is measured or remembered. It belongs to the rule's version and cannot be overridden."""


@cache
def structural_fields(rule: type[Struct]) -> frozenset[str]:
    """Return the names of a rule's fields that are Structural."""
    hints = get_type_hints(rule, include_extras=True)
    return frozenset(name for name in rule.__struct_fields__ if _STRUCTURAL in getattr(hints[name], "__metadata__", ()))


@dataclass(frozen=True)
class Fired:
    """The bars at which a rule fired in one direction, in order, and per bar what an alert says of it.

    Attributes:
        index: position of the bar in the scan.
        value, threshold, baseline: see ``records.Alert``.
        exceedance: how far beyond the limit, in a measure common to all rules: 1 at the limit, 2 at twice the limit,
            and so on; each rule says how it counts.
        statistic: what a robust rule held against its ``threshold``, in that one's unit.
    """

    index: np.ndarray
    value: np.ndarray
    threshold: np.ndarray
    baseline: np.ndarray
    exceedance: np.ndarray
    direction: Direction = ""
    statistic: np.ndarray | None = None

    def take(self, which: np.ndarray) -> Fired:
        """Keep the bars that ``which`` selects."""
        columns = {name: array[which] for name, array in vars(self).items() if isinstance(array, np.ndarray)}
        return Fired(**columns, direction=self.direction)


@dataclass(frozen=True)
class Firing:
    """One firing, with all that its sentence may need. ``limits`` gives the value of a field in force at the bar."""

    symbol: str
    timespan: str
    direction: Direction
    index: int
    value: float
    threshold: float
    baseline: float
    scan: Scan
    limits: Callable[[str], float]

    def measured(self, name: str) -> float:
        """Return a measure of the bar."""
        return float(self.scan.measures[name][self.index])

    @property
    def ts_ms(self) -> int:
        return int(self.scan.bars.ts[self.index])

    @property
    def session_date(self) -> str:
        return self.scan.session_date(self.index)


class BarRule(Struct, frozen=True):
    """A rule of bars in one of its forms. Its fields are its parameters; it never looks at a clock.

    Measuring is apart from judging: ``measure`` writes a statistic for every bar, ``judge`` holds it against limits. A
    measure that is NaN is not applicable (too little to go on), which differs from a bar that was looked at and did
    not fire.

    A field that is not Structural can be overridden for some symbols from a day on. So ``judge`` and ``sentence`` ask
    ``limits`` for it; the rule itself holds only the value of the base.

    Attributes:
        name, form, version: identify the rule on alerts; the version grows when the formula changes.
        directions: of what it fires.
        timespans: of the bars that it can fire at; all unless a rule says otherwise.
        threshold: the field that calibration proposes values for.
        reported: the measures that are fields of a metric, by the same name.
        memory: what it remembers of a series: name -> dtype; all start as zero.
        rests_on: the measures over a window that a value and its threshold are made of.
    """

    name: ClassVar[str]
    form: ClassVar[RuleForm]
    version: ClassVar[int]
    directions: ClassVar[tuple[Direction, ...]] = ("",)
    timespans: ClassVar[tuple[Timespan, ...]] = tuple(SPAN_MS)
    threshold: ClassVar[str]
    reported: ClassVar[tuple[str, ...]] = ()
    memory: ClassVar[dict[str, str]] = {}
    rests_on: ClassVar[tuple[str, ...]] = ()

    @property
    def context(self) -> int:
        """Bars before the current one that the measures look back on."""
        return 0

    def first_bar(self, scan: Scan, index: int) -> int:
        """Return the position of the first bar that a value and its threshold rest on: on all from there to ``index``.

        The profile that is in force, and what ``baseline`` sums up of all earlier bars, are not meant.
        """
        return index - max((scan.looks_back[name] for name in self.rests_on), default=0)

    def earlier_bars(self, scan: Scan, index: int) -> list[BarStamp]:
        """Return what a value and its threshold rest on besides, and lies before these bars; the latest first."""
        return []

    def measure(self, scan: Scan) -> None:
        """Write this rule's measures of every evaluated bar."""
        raise NotImplementedError

    def series_of(self, scan: Scan) -> np.ndarray:
        """Say per series of a scan whether it is of the rule's timespans, bool."""
        return np.isin(scan.span, [SPAN_MS[timespan] for timespan in self.timespans])

    def applies(self, scan: Scan) -> np.ndarray:
        """Say per bar whether the rule may judge it, bool: it is of its timespans, and what else it needs is there."""
        return np.repeat(self.series_of(scan), scan.segments.end - scan.segments.start)

    def judge(self, scan: Scan, limits: Limits) -> Iterable[Fired]:
        """Yield, per direction, the bars whose measures are beyond the limits."""
        raise NotImplementedError

    def statistic(self, evaluation: Evaluation) -> np.ndarray:
        """Return what is held against ``threshold``, per new bar; NaN where not applicable.

        By default that is the last of ``reported``, of either sign where the rule has directions.
        """
        values = evaluation.measures[self.reported[-1]]
        return np.abs(values) if len(self.directions) > 1 else values

    def sentence(self, firing: Firing) -> str:
        """Explain a firing in one sentence of plain English."""
        raise NotImplementedError


class LiteralRule(BarRule, frozen=True):
    """A rule of bars as the customer wrote it."""

    form = "literal"


class RobustRule(BarRule, frozen=True):
    """A rule of bars that is held against a profile of the symbol.

    The profile knows the tail of its score, so that ``limits`` of its ``threshold`` follow from the budget of alerts
    (``ParametersInForce``).

    Attributes:
        prior: the score that is exceeded once in 32 sessions as long as nothing is known of a symbol and those like it,
            of bars within the day and of day bars; of profiles of few sessions, which know little.
    """

    form = "robust"
    prior: ClassVar[tuple[float, float]]

    def applies(self, scan: Scan) -> np.ndarray:
        return super().applies(scan) & (scan.profile >= 0)

    def score(self, scan: Scan, limits: Limits) -> np.ndarray:
        """Return per bar what is held against ``threshold``, where all else that the rule asks for holds.

        0 where it does not hold, NaN where nothing can be judged.
        """
        raise NotImplementedError


def times_limit(value: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Divide a value by its limit; infinite when the limit is zero."""
    with np.errstate(divide="ignore"):
        return np.divide(value, limit)
