"""What a rule is: a name, a version, its parameters, and one question asked at one record.

A rule is a frozen struct whose fields are its parameters. It never looks at a clock and keeps no state: all it may
know is in the view that it is handed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final, Literal, Protocol, TypeVar

from msgspec import Struct

from ...models import Bar, Metric, Watermark
from ...sessions import Sessions
from ..series import Series


class Firing(Struct, frozen=True, kw_only=True):
    """A rule's limit was crossed at one record.

    ``exceedance`` is how far, in a measure common to all rules: 1 at the limit, 2 at twice the limit, and so on;
    each rule says how it counts.
    """

    rule: str
    version: int
    ts_ms: int
    close_ms: int
    polled_ms: int
    source: str
    direction: Literal["up", "down", ""] = ""
    value: float
    threshold: float
    baseline: float | None = None
    window_start_ms: int
    window_end_ms: int
    exceedance: float
    event_ids: tuple[str, ...]
    article_id: str | None = None
    explanation: str


class _Silence(Enum):
    NOT_APPLICABLE = "not applicable"


NOT_APPLICABLE: Final = _Silence.NOT_APPLICABLE
"""The rule has too little to go on. That differs from None: the rule looked and did not fire."""

Verdict = Firing | None | Literal[_Silence.NOT_APPLICABLE]


@dataclass(slots=True)
class BarView:
    """One bar, what was measured at it, and the series as it stood before it."""

    bar: Bar
    metric: Metric
    series: Series
    history_count: int  # earlier values behind metric.return_std_p95
    adjusted_close: float | None  # previous session's last regular close, in today's shares


@dataclass(slots=True)
class WatermarkView:
    """One watermark and the series as it stands; ``series`` is None before the first bar."""

    watermark: Watermark
    series: Series | None
    sessions: Sessions


V = TypeVar("V", contravariant=True)


class Rule(Protocol[V]):
    """``name`` and ``version`` identify the rule on its alerts; the version grows when the formula changes."""

    name: ClassVar[str]
    version: ClassVar[int]

    def evaluate(self, view: V) -> Verdict:
        """Firing when the limit is crossed, None when it is not, NOT_APPLICABLE when that cannot be said."""
        ...


def times_limit(value: float, limit: float) -> float:
    """How many times the limit; infinite when the limit is zero."""
    return value / limit if limit else float("inf")
