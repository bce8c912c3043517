"""The result of a benchmark: figures, each with its target, and tables beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One number. It is judged when ``most`` or ``least`` is given; None as a value: nothing to measure, not held."""

    name: str
    value: float | None
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def judged(self) -> bool:
        return self.most is not None or self.least is not None

    @property
    def held(self) -> bool:
        return self.holds(self.value)

    def holds(self, value: float | None) -> bool:
        """Would ``value`` hold this figure's target?"""
        if value is None:
            return not self.judged
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)


@dataclass
class Result:
    """One benchmark.

    Attributes:
        name, about: what it is called and what was done.
        cpu: component -> share of all cores, 0-1, over the measured time.
        tables: title -> rows, the first of which names the columns.
        notes: what a reader must know, a sentence each.
        measured: when and of which commit.
        before, measured_before: values of its figures in the run before, by name, and when that was.
    """

    name: str
    about: str
    figures: list[Figure] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)
    tables: dict[str, list[Sequence[Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    measured: str = ""
    before: dict[str, float | None] = field(default_factory=dict)
    measured_before: str = ""

    @property
    def held(self) -> bool:
        return all(figure.held for figure in self.figures)

    def held_before(self, figure: Figure) -> bool | None:
        """Did the run before hold today's target? None: it does not know the figure."""
        return figure.holds(self.before[figure.name]) if figure.name in self.before else None


def quantile(values: Iterable[float], share: float) -> float | None:
    """Return a quantile, between two values in proportion; None of no values."""
    numbers = np.fromiter(values, float)
    return float(np.quantile(numbers, share)) if len(numbers) else None


def spread(name: str, values: Sequence[float], unit: str, **targets: float) -> list[Figure]:
    """Return p50, p95 and maximum of ``values``; ``targets``: p50, p95 or max -> at most."""
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return [
        Figure(f"{name}, {label}", quantile(values, share), unit, most=targets.get(label))
        for label, share in shares.items()
    ]


def ratio(value: float | None, base: float | None) -> float | None:
    """Return ``value / base``; None where there is nothing to divide, or nothing to divide by."""
    return value / base if value is not None and base else None
