"""How fast a series rises, and whether that is too fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# One-sided 95 %.
Z = 1.645
MOST_POINTS = 1000
FEWEST_POINTS = 4


@dataclass(frozen=True)
class Limit:
    """How fast a series of a kind may rise in an hour: by ``share`` of its level, at least ``least``, at most ``most``.

    Attributes:
        pruned: only samples right after maintenance count; in between, what it will take away gathers.
    """

    unit: str
    share: float
    least: float
    most: float = float("inf")
    pruned: bool = False

    def an_hour(self, level: float) -> float:
        return min(self.most, max(self.least, self.share * level))


LIMITS = {
    "memory": Limit("MB", 0.05, 2, 20),
    "descriptors": Limit("", 0.05, 10),
    "threads": Limit("", 0.05, 5),
    "rows": Limit("rows", 0.2, 50, pruned=True),
    "raw": Limit("rows", 0.2, 500, pruned=True),
    "database": Limit("MB", 0.1, 5, pruned=True),
    "logs": Limit("MB", 0.2, 2, pruned=True),
    "redis": Limit("MB", 0.05, 5),
}
# At the end, with nothing new coming in.
MOST_AT_END = {"lag": 0, "landing": 180}
UNITS = {"lag": "messages", "landing": "s", "disk": "MB", "keys": "keys", "kept": "rows"}


@dataclass(frozen=True)
class Trend:
    """``slope`` an hour over the second half, ``low`` its lower bound at 95 %; ``limit`` None: not judged by it."""

    name: str
    unit: str
    first: float
    last: float
    slope: float
    low: float
    limit: float | None
    verdict: str

    @property
    def fails(self) -> bool:
        return self.verdict not in ("flat", "bounded elsewhere", "at rest")


def judge(name: str, hours: Sequence[float], values: Sequence[float], maintained: Sequence[bool]) -> Trend:
    """The verdict on one series, from the second half of its samples' time."""
    kind = name.partition(".")[0]
    limit = LIMITS.get(kind)
    half = hours[0] + (hours[-1] - hours[0]) / 2
    picked = [i for i, hour in enumerate(hours) if hour >= half and (maintained[i] or not (limit and limit.pruned))]
    x, y = np.array([hours[i] for i in picked]), np.array([values[i] for i in picked], dtype=float)
    slope, low = theil_sen(x, y)
    allowed = limit.an_hour(float(np.median(y))) if limit and len(y) else None
    if kind in MOST_AT_END:
        verdict = "at rest" if values[-1] <= MOST_AT_END[kind] else f"more than {MOST_AT_END[kind]} at the end"
    elif limit is None:
        verdict = "bounded elsewhere"
    elif len(y) < FEWEST_POINTS:
        verdict = "too few samples"
    else:
        verdict = "growing" if slope > allowed and low > 0 else "flat"
    return Trend(name, limit.unit if limit else UNITS[kind], values[0], values[-1], slope, low, allowed, verdict)


def theil_sen(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Median of the slopes between all pairs of points, and its lower confidence bound (Sen 1968).

    One point in four may be anything without moving the median much. Both are nan without two times.
    """
    if len(x) > MOST_POINTS:
        chosen = np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(int)
        x, y = x[chosen], y[chosen]
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    slopes = np.sort((y[second] - y[first])[apart > 0] / apart[apart > 0])
    if not len(slopes):
        return float("nan"), float("nan")
    n = len(x)
    spread = Z * (n * (n - 1) * (2 * n + 5) / 18) ** 0.5
    return float(np.median(slopes)), float(slopes[max(0, int((len(slopes) - spread) / 2))])
