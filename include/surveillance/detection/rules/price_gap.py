"""Price gap: the session opens away from where the previous one closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from msgspec import Struct

from ...models import Split
from .. import words
from .rule import NOT_APPLICABLE, BarView, Firing, Verdict


class PriceGap(Struct, frozen=True):
    """The session's first regular price is more than 2 % away from the previous session's last one.

    abs(open of the day's first regular-session bar / close of the last regular-session bar of the previous session
    present in the series - 1) > 2 %. A bar is regular when it starts in the session; an hour bar that holds the open
    opens the session; every day bar counts. The previous close is first divided by the splits that take effect
    between the two sessions. ``direction`` is up or down.

    Example: KO's last regular minute closed at 49.79 and the next session's first opened at 46.76. 46.76 / 49.79 - 1
    = -6.09 %, beyond 2 %, so the rule fires down with value 0.0609 and baseline 49.79. Had a 2-for-1 split taken
    effect that morning, the baseline would be 24.895.

    Warm-up: not applicable on any bar but a session's first regular one, nor before one previous session. Prices are
    above zero, so there is no zero-variance case.
    Reckoned in double precision, so a gap of exactly 2 % can fall on either side. Exceedance: absolute gap / limit.

    Attributes:
        limit: absolute gap that is tolerated, as a fraction.
    """

    name: ClassVar[str] = "price_gap"
    version: ClassVar[int] = 1

    limit: float = 0.02

    @staticmethod
    def adjusted(close: float, splits: Iterable[Split], after: str, until: str) -> float:
        """``close`` of session ``after`` in the shares of session ``until`` (dates, YYYY-MM-DD)."""
        for split in splits:
            if after < split.execution_date <= until:
                close = close * split.split_from / split.split_to
        return close

    def evaluate(self, view: BarView) -> Verdict:
        bar, series, gap, previous = view.bar, view.series, view.metric.gap, view.adjusted_close
        if gap is None or previous is None:
            return NOT_APPLICABLE
        if not abs(gap) > self.limit:
            return None
        return Firing(
            rule=self.name,
            version=self.version,
            ts_ms=bar.ts_ms,
            close_ms=bar.close_ms,
            polled_ms=bar.polled_ms,
            source=bar.source,
            direction="up" if gap > 0 else "down",
            value=abs(gap),
            threshold=self.limit,
            baseline=previous,
            window_start_ms=series.regular_ts,
            window_end_ms=bar.ts_ms,
            exceedance=abs(gap) / self.limit,
            event_ids=(bar.event_id, series.regular_id),
            explanation=(
                f"{bar.symbol} opened at {words.price(bar.open)} on {view.metric.session_date}, "
                f"{words.percent(abs(gap))} {'above' if gap > 0 else 'below'} the last regular close of "
                f"{series.regular_date} ({words.price(previous)}"
                f"{'' if previous == series.regular_close else ', adjusted for splits'}); the limit is "
                f"{words.percent(self.limit)}."
            ),
        )
