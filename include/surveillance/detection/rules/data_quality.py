"""Data quality: the vendor sent bars that could not be used."""

from __future__ import annotations

from include.surveillance.alerts import wording
from include.surveillance.detection.rules.record_rule import FeedRule, Finding, Verdict, WatermarkView


class DataQuality(FeedRule, frozen=True):
    """A poll brought more rejected bars than allowed, which is none.

    Asked at each watermark, which counts what its poll had to reject (a high below a low, a price that is no number, a
    start off the grid, ...). The rejected bars themselves, with reason and raw bytes, are on the topic of rejects.

    Example: a poll brought 4 good bars and 1 with its high below its low: 1 > 0, so the rule fires with value 1.

    Warm-up: none, it needs no history.
    Exceedance: 1 + the poll's share of rejected bars, so between 1 and 2; 1.2 in the example.

    Attributes:
        allowed: rejected bars per poll that are tolerated.
    """

    name = "data_quality"
    version = 1

    allowed: int = 0

    def evaluate(self, view: WatermarkView) -> Verdict:
        watermark = view.watermark
        if not watermark.rejected > self.allowed:
            return None
        return Finding(
            rule=self.name,
            rule_version=self.version,
            ts_ms=watermark.as_of_ms,
            bar_close_ms=watermark.as_of_ms,
            polled_ms=watermark.polled_ms,
            source=watermark.source,
            value=float(watermark.rejected),
            threshold=float(self.allowed),
            window_start_ms=watermark.from_ms,
            window_end_ms=watermark.as_of_ms,
            exceedance=1 + watermark.rejected / (watermark.bars + watermark.rejected),
            event_ids=(watermark.event_id,),
            explanation=(
                f"{watermark.rejected:,} of {watermark.bars + watermark.rejected:,} {watermark.timespan} bars of "
                f"{watermark.symbol} up to {wording.clock(watermark.as_of_ms)} were rejected: "
                f"{', '.join(watermark.reject_reasons) or 'no reason given'}."
            ),
        )
