"""Feed freshness: the market is open and a symbol's bars have stopped."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct, field

from ...models import SPAN_MS
from .. import words
from .rule import NOT_APPLICABLE, Firing, Verdict, WatermarkView


def _allowed() -> dict[str, float]:
    return {"minute": 15.0, "5minute": 30.0, "15minute": 60.0, "hour": 180.0, "day": 780.0}


class FeedFreshness(Struct, frozen=True):
    """No bar for longer than allowed, counted in minutes of regular session.

    Asked at each watermark, which says up to when the vendor was asked: the minutes of regular session from the end
    of the last bar to the watermark are more than 15 (for minute bars). Nights, weekends and holidays do not count.

    Example: the last minute bar ended at 14:40 and a watermark says that all up to 15:00 has been asked for: 20
    minutes > 15, so the rule fires with value 20 and threshold 15.

    Warm-up: not applicable before the first bar of the series, outside the regular session, and at watermarks of a
    backfill, which asks for the past.
    Exceedance: minutes / allowed.

    Attributes:
        allowed_minutes: session minutes without a bar, per timespan.
    """

    name: ClassVar[str] = "feed_freshness"
    version: ClassVar[int] = 1

    allowed_minutes: dict[str, float] = field(default_factory=_allowed)

    def evaluate(self, view: WatermarkView) -> Verdict:
        watermark, series = view.watermark, view.series
        allowed = self.allowed_minutes.get(watermark.timespan)
        if allowed is None or series is None or not series.ts or watermark.source != "live":
            return NOT_APPLICABLE
        if view.sessions.phase(watermark.as_of_ms) != "regular":
            return NOT_APPLICABLE
        last_end_ms = series.ts[-1] + SPAN_MS[watermark.timespan]
        if watermark.as_of_ms - last_end_ms <= allowed * 60_000:
            return None
        minutes = view.sessions.minutes_between(last_end_ms, watermark.as_of_ms)
        if not minutes > allowed:
            return None
        return Firing(
            rule=self.name,
            version=self.version,
            ts_ms=watermark.as_of_ms,
            close_ms=watermark.as_of_ms,
            polled_ms=watermark.polled_ms,
            source=watermark.source,
            value=minutes,
            threshold=allowed,
            window_start_ms=last_end_ms,
            window_end_ms=watermark.as_of_ms,
            exceedance=minutes / allowed,
            event_ids=(watermark.event_id, series.ids[-1]),
            explanation=(
                f"{watermark.symbol} has had no {watermark.timespan} bar for {minutes:,.0f} session minutes up to "
                f"{words.clock(watermark.as_of_ms)}; the limit is {allowed:g}."
            ),
        )
