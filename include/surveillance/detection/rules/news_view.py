"""What the forms of news_impact share: an article and a bar of abnormal volume that may belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from msgspec import Struct

from include.surveillance.alerts import wording
from include.surveillance.detection.record_state import Article, VolumeBar
from include.surveillance.detection.rules.bar_rule import RuleForm
from include.surveillance.detection.rules.record_rule import Finding, Verdict
from include.surveillance.timespans import MINUTE_MS, SPAN_MS


class NewsRule(Struct, frozen=True):
    """A rule that is asked of an article and a bar, with the parameters in force at the bar."""

    name: ClassVar[str] = "news_impact"
    form: ClassVar[RuleForm]
    version: ClassVar[int] = 2  # of both forms: an alert may change its form, not its id

    def evaluate(self, view: NewsView) -> Verdict:
        """Return a Finding when the two belong together, None when not, NOT_APPLICABLE when that cannot be said."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class NewsView:
    """One negative article and one bar of abnormal volume of the same symbol."""

    symbol: str
    timespan: str
    article: Article
    bar: VolumeBar

    @property
    def apart_ms(self) -> int:
        """From the article's publication to the start of the bar; negative when the bar came first."""
        return self.bar.ts_ms - self.article.published_ms

    def finding(self, rule: NewsRule, value: float, threshold: float, exceedance: float, why: str = "") -> Finding:
        """Return what both forms find; ``why`` is added to the sentence."""
        article, bar = self.article, self.bar
        order = "after" if self.apart_ms >= 0 else "before"
        close_ms = bar.ts_ms + SPAN_MS[self.timespan]
        late_ms = article.polled_ms - close_ms
        late = f" (which arrived {late_ms / MINUTE_MS:.0f} minutes after the bar)" if late_ms > 2 * MINUTE_MS else ""
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
            window_start_ms=min(article.published_ms, bar.ts_ms),
            window_end_ms=max(article.published_ms, bar.ts_ms),
            exceedance=exceedance,
            event_ids=(bar.event_id, article.event_id),
            article_id=article.article_id,
            explanation=(
                f"{self.symbol} traded {wording.shares(bar.volume)} shares {wording.during(self.timespan, bar.ts_ms)}, "
                f"abnormal volume, {abs(self.apart_ms) / MINUTE_MS:.1f} minutes {order} negative news{late}: "
                f'"{article.title}"{why}.'
            ),
        )
