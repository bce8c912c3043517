"""What the forms of news_impact share: an article and a bar of abnormal volume that may belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from msgspec import Struct

from include.surveillance.alerts import wording
from include.surveillance.detection.columns import SeriesKey, write_event_id
from include.surveillance.detection.record_state import Article, VolumeBar
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.rules.record_rule import Finding, Verdict
from include.surveillance.timespans import MINUTE_MS, SPAN_MS


class NewsRule(Struct, frozen=True):
    """A rule that is asked of an article and a bar, with the parameters in force at the bar."""

    name: ClassVar[str] = "news_impact"
    form: ClassVar[RuleForm]
    version: ClassVar[int] = 3  # of both forms: an alert may change its form, not its id

    def evaluate(self, view: NewsView) -> Verdict:
        """Return a Finding when the two belong together, None when not, NOT_APPLICABLE when that cannot be said."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class NewsView:
    """One negative article and one bar of abnormal volume of the same symbol.

    ``ticker_at`` gives the ticker and timespan that the bar's instrument had at a time, UTC epoch ms.
    """

    symbol: str
    timespan: str
    article: Article
    bar: VolumeBar
    ticker_at: Callable[[int], SeriesKey]

    @property
    def apart_ms(self) -> int:
        """From the article's publication to the start of the bar; negative when the bar came first."""
        return self.bar.ts_ms - self.article.published_ms

    def finding(self, rule: NewsRule, value: float, threshold: float, exceedance: float, why: str = "") -> Finding:
        """Return what both forms find; ``why`` is added to the sentence."""
        article, bar = self.article, self.bar
        close_ms, first_ms = bar.ts_ms + SPAN_MS[self.timespan], bar.rests_on[-1][0]
        # The robust form adds up the bars that it rests on, the literal one compares the bar with those before it.
        summed = bar.form == "robust" and first_ms < bar.ts_ms
        during = wording.between(first_ms, close_ms) if summed else wording.during(self.timespan, bar.ts_ms)
        traded, usual, allowed = wording.numbers(bar.value, bar.baseline, bar.threshold)
        order = "after" if self.apart_ms >= 0 else "before"
        late_ms = article.polled_ms - close_ms
        apart, late = wording.numbers(abs(self.apart_ms) / MINUTE_MS, late_ms / MINUTE_MS)
        arrived = f" (which arrived {late} minutes after the bar)" if late_ms > 2 * MINUTE_MS else ""
        return Finding(
            rule=rule.name,
            rule_version=rule.version,
            form=rule.form,
            ts_ms=bar.ts_ms,
            bar_close_ms=close_ms,
            # The firing could be known when the later of the two had been polled.
            polled_ms=max(bar.polled_ms, article.polled_ms),
            source=bar.source,
            value=value,
            threshold=threshold,
            baseline=bar.baseline,
            window_start_ms=min(article.published_ms, first_ms),
            window_end_ms=max(article.published_ms, close_ms),
            exceedance=exceedance,
            event_ids=(
                *(write_event_id(self.ticker_at(stamp[0]), stamp) for stamp in bar.rests_on),
                article.event_id,
            ),
            article_id=article.article_id,
            explanation=(
                f"{self.symbol} traded {traded} shares {during}, where {usual} are usual and up to {allowed} allowed, "
                f"{apart} minutes {order} negative news{arrived}: "
                f'"{article.title}"{why}.'
            ),
        )
