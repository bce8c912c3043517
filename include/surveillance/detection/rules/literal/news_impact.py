"""News impact: bad news and a burst of trading, together."""

from __future__ import annotations

from include.surveillance.detection.rules.news_view import NewsRule, NewsView
from include.surveillance.detection.rules.record_rule import NOT_APPLICABLE, Verdict
from include.surveillance.timespans import MINUTE_MS, SPAN_MS


class LiteralNewsImpact(NewsRule, frozen=True):
    """A negative article and abnormal volume on the same symbol lie less than 10 minutes apart.

    Counted from the article's publication to the start of a bar that fired ``abnormal_volume``. Either may come
    first, and either may arrive first: an article that is delivered late still meets the bars of its time. Sentiment
    is the vendor's, for this ticker; an article without it is unknown, not neutral, and does not count. Each bar
    fires once, with the first article that it meets.

    Example: an article with negative sentiment is published at 14:28:30, and the minute from 14:31 trades 8.4 times
    the mean. They lie 2.5 minutes apart, so the rule fires at the 14:31 bar.

    Warm-up: as abnormal_volume. Not applicable to bars of 10 minutes and longer, which cannot place their volume so
    precisely.
    Value is the volume, threshold, baseline and exceedance are those of abnormal_volume.

    Attributes:
        within_minutes: distance below which the two belong together.
    """

    form = "literal"

    within_minutes: float = 10.0

    def evaluate(self, view: NewsView) -> Verdict:
        if SPAN_MS[view.timespan] >= self.within_minutes * MINUTE_MS:
            return NOT_APPLICABLE
        if not abs(view.apart_ms) < self.within_minutes * MINUTE_MS:
            return None
        return view.finding(self, view.bar.value, view.bar.threshold, view.bar.exceedance)
