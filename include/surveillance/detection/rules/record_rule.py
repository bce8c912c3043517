"""What the rules of the feed and of news share: they look at single records, not at columns of bars."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar, Final, Literal, NamedTuple

from msgspec import Struct

from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.records import Source, Watermark
from include.surveillance.sessions import Sessions


class Finding(Struct, frozen=True, kw_only=True):
    """A rule's limit was crossed at one record; fields as in ``Alert``, ``exceedance`` as in ``bar_rule.Fired``.

    ``polled_ms`` is when the latest record that it rests on was polled; 0 when that was recorded.
    """

    rule: str
    rule_version: int
    form: RuleForm = "literal"
    ts_ms: int
    bar_close_ms: int
    polled_ms: int
    source: Source
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

Verdict = Finding | None | Literal[_Silence.NOT_APPLICABLE]


class WatermarkView(NamedTuple):
    """One watermark and what was known of its series before it.

    Attributes:
        last_ms, last_id: start and event id of the series' latest bar; None before the first.
        presence: share of the bars of each slot of the regular session that usually exist; None without a profile.
        renamed: the ticker has been given up.
    """

    watermark: Watermark
    last_ms: int | None
    last_id: str
    presence: Sequence[float] | None
    sessions: Sessions
    renamed: bool


class FeedRule(Struct, frozen=True):
    """A rule that is asked at each watermark, with the parameters in force there."""

    name: ClassVar[str]
    version: ClassVar[int]

    def evaluate(self, view: WatermarkView) -> Verdict:
        """Return a Finding when the limit is crossed, None when it is not, NOT_APPLICABLE when that cannot be said."""
        raise NotImplementedError
