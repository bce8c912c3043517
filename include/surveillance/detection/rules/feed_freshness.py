"""Feed freshness: the market is open and a symbol's bars have stopped."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log

from msgspec import field

from include.surveillance.alerts import wording
from include.surveillance.detection.rules.record_rule import NOT_APPLICABLE, FeedRule, Finding, Verdict, WatermarkView
from include.surveillance.timespans import MINUTE_MS, SPAN_MS


def _allowed() -> dict[str, float]:
    return {"minute": 15.0, "5minute": 30.0, "15minute": 60.0, "hour": 180.0, "day": 780.0}


class FeedFreshness(FeedRule, frozen=True):
    """No bar for longer than this symbol's trading can explain, counted in minutes of regular session.

    Asked at each watermark, which says up to when the vendor was asked. The profile knows which share of the session's
    bars the symbol usually has, p; if bars came and went by chance, b of them in a row would be missing with
    probability (1 - p)^b. The rule fires when that is below 1 in 10,000 and at least 5 minutes are missing. Without a
    profile it fires when more than 15 minutes (for minute bars) are missing. Nights, weekends and holidays do not
    count.

    Example: a symbol has 90 % of its minutes. The last bar ended at 14:40 and a watermark says that all up to 14:46
    has been asked for: 6 minutes, 0.1^6 = 1 in 1,000,000, so the rule fires with value 6 and threshold 5. A symbol that
    trades in every third minute is allowed 23 minutes.

    Warm-up: not applicable before the first bar of the series, outside the regular session, at watermarks of a
    backfill, which asks for the past, and for a ticker that has been given up for another one.
    Exceedance: minutes / allowed.

    Attributes:
        allowed_minutes: session minutes without a bar, per timespan, where there is no profile.
        chance: probability below which silence is not the symbol's own.
        minimum_minutes: session minutes that must be missing in any case.
    """

    name = "feed_freshness"
    version = 2
    MOST_PRESENT = 0.99  # a symbol that never misses a bar yet may

    allowed_minutes: dict[str, float] = field(default_factory=_allowed)
    chance: float = 1e-4
    minimum_minutes: float = 5.0

    def evaluate(self, view: WatermarkView) -> Verdict:
        watermark = view.watermark
        allowed = self.allowed_minutes.get(watermark.timespan)
        if allowed is None or view.last_ms is None or watermark.source != "live" or view.renamed:
            return NOT_APPLICABLE
        session = view.sessions.at_or_before(watermark.as_of_ms)
        if session is None or watermark.as_of_ms >= session.close_ms:
            return NOT_APPLICABLE
        why = "the limit is {}"
        if view.presence is not None:
            share = sum(view.presence) / len(view.presence)
            allowed = self.explained_minutes(view.presence, SPAN_MS[watermark.timespan] / MINUTE_MS)
            why = f"it usually has {wording.numbers(100 * share)[0]} % of its bars, so {{}} minutes are allowed"
        last_end_ms = view.last_ms + SPAN_MS[watermark.timespan]
        if watermark.as_of_ms - last_end_ms <= allowed * MINUTE_MS:
            return None
        minutes = view.sessions.minutes_between(last_end_ms, watermark.as_of_ms)
        if not minutes > allowed:
            return None
        silent, limit = wording.numbers(minutes, allowed)
        return Finding(
            rule=self.name,
            rule_version=self.version,
            form="literal" if view.presence is None else "robust",
            ts_ms=watermark.as_of_ms,
            bar_close_ms=watermark.as_of_ms,
            polled_ms=watermark.polled_ms,
            source=watermark.source,
            value=minutes,
            threshold=allowed,
            window_start_ms=view.last_ms,
            window_end_ms=watermark.as_of_ms,
            exceedance=minutes / allowed if allowed else inf,
            event_ids=(watermark.event_id, view.last_id),
            explanation=(
                f"{watermark.symbol} has had no {watermark.timespan} bar for {silent} session minutes up to "
                f"{wording.clock(watermark.as_of_ms)}; {why.format(limit)}."
            ),
        )

    def explained_minutes(self, presence: Sequence[float], minutes_per_bar: float) -> float:
        """Return the minutes of silence that are the symbol's own, if it usually has this share of each slot's bars."""
        share = sum(presence) / len(presence)
        bars = log(self.chance) / log(1 - min(max(share, 1e-6), self.MOST_PRESENT)) if self.chance else inf
        return max(bars * minutes_per_bar, self.minimum_minutes)
