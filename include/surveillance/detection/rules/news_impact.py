"""News impact: bad news and a burst of trading, together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgspec import Struct

from ...models import SPAN_MS
from ...sessions import MINUTE_MS
from .. import words
from ..series import Article, VolumeBar
from .rule import NOT_APPLICABLE, Firing, Verdict


@dataclass(slots=True)
class NewsView:
    """One negative article and one bar of abnormal volume of the same symbol."""

    symbol: str
    timespan: str
    article: Article
    bar: VolumeBar


class NewsImpact(Struct, frozen=True):
    """A negative article and abnormal volume on the same symbol lie less than 10 minutes apart.

    Counted from the article's publication to the start of a bar that fired ``abnormal_volume``. Either may come
    first, and either may arrive first: an article that is delivered late still meets the bars of its time. Sentiment
    is the vendor's, for this ticker; an article without it is unknown, not neutral, and does not count. Each article
    meets each episode of abnormal volume once, at its earliest bar in reach.

    Example: an article with negative sentiment is published at 14:28:30, and the minute from 14:31 trades 8.4 times
    the mean. They lie 2.5 minutes apart, so the rule fires at the 14:31 bar.

    Warm-up: as abnormal_volume. Not applicable to bars of 10 minutes and longer, which cannot place their volume so
    precisely.
    Value is the volume, threshold and exceedance are those of abnormal_volume.

    Attributes:
        within_minutes: distance below which the two belong together.
    """

    name: ClassVar[str] = "news_impact"
    version: ClassVar[int] = 1

    within_minutes: float = 10.0

    def evaluate(self, view: NewsView) -> Verdict:
        article, bar = view.article, view.bar
        if SPAN_MS[view.timespan] >= self.within_minutes * MINUTE_MS:
            return NOT_APPLICABLE
        apart_ms = bar.ts_ms - article.published_ms
        if not abs(apart_ms) < self.within_minutes * MINUTE_MS:
            return None
        order = "after" if apart_ms >= 0 else "before"
        return Firing(
            rule=self.name,
            version=self.version,
            ts_ms=bar.ts_ms,
            close_ms=bar.ts_ms + SPAN_MS[view.timespan],
            # The firing could be known when the later of the two had been polled.
            polled_ms=max(bar.polled_ms, article.polled_ms),
            source=bar.source,
            value=bar.volume,
            threshold=bar.threshold,
            baseline=bar.mean,
            window_start_ms=min(article.published_ms, bar.ts_ms),
            window_end_ms=max(article.published_ms, bar.ts_ms),
            exceedance=bar.exceedance,
            event_ids=(bar.event_id, article.event_id),
            article_id=article.article_id,
            explanation=(
                f"{view.symbol} traded {words.shares(bar.volume)} shares {words.during(view.timespan, bar.ts_ms)} "
                f"(mean {words.shares(bar.mean)}), {abs(apart_ms) / MINUTE_MS:.1f} minutes {order} negative news: "
                f'"{article.title}".'
            ),
        )
