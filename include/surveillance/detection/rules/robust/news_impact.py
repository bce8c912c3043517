"""News impact, robust: bad news that is about this company, is new, and is close to a burst of trading."""

from __future__ import annotations

from math import exp

from include.surveillance.alerts import wording
from include.surveillance.detection.rules.news_view import NewsRule, NewsView
from include.surveillance.detection.rules.record_rule import NOT_APPLICABLE, Verdict
from include.surveillance.timespans import MINUTE_MS, SPAN_MS


class RobustNewsImpact(NewsRule, frozen=True):
    """A negative article lies from 2 minutes after to 15 minutes before abnormal volume, and weighs enough.

    Weight = e^(-distance / 10 minutes) x relevance x novelty x how far abnormal_volume is beyond its limit. Relevance
    is 1 when the article has no other ticker, or when its title names the company or the ticker; else, and from 10
    tickers on, it is 1 / number of tickers. A ticker of one or two letters, or one that is a word (IT, ON, ALL, NOW),
    counts only where it is marked as one: ``$IT``, ``(NYSE: IT)``, ``Gartner (IT)``. Novelty is 1 for the first such
    story, 0 for one whose title repeats that of an earlier negative article about the ticker within 24 hours. The rule
    fires when the weight is greater than 0.25. Prices take 15 minutes to absorb bad news; trading leads it by little.

    Example: an article about two tickers (relevance 0.5) is published at 14:28, and the minute from 14:31 fires
    abnormal_volume at 1.6 times its limit: e^-0.3 x 0.5 x 1 x 1.6 = 0.59 > 0.25, so the rule fires at the 14:31 bar
    with value 0.59 and threshold 0.25.

    Warm-up: as abnormal_volume. Not applicable to bars of 10 minutes and longer. An article without the vendor's
    sentiment for this ticker is unknown and does not count.
    Exceedance: weight / limit, at most that of 5 times.

    Attributes:
        before_minutes: how long volume may lead the article.
        after_minutes: how long volume may follow it.
        decay_minutes: distance at which the weight falls to 1/e.
        minimum: weight that is tolerated.
    """

    form = "robust"

    before_minutes: float = 2.0
    after_minutes: float = 15.0
    decay_minutes: float = 10.0
    minimum: float = 0.25

    def evaluate(self, view: NewsView) -> Verdict:
        if SPAN_MS[view.timespan] >= 10 * MINUTE_MS:
            return NOT_APPLICABLE
        apart = view.apart_ms / MINUTE_MS
        if not -self.before_minutes < apart < self.after_minutes:
            return None
        near = exp(-abs(apart) / self.decay_minutes) if self.decay_minutes else float(apart == 0)
        article = view.article
        # How far volume is beyond its limit must not outweigh an article about somebody else.
        weight = near * article.relevance * article.novel * min(view.bar.exceedance, 5.0)
        if not weight > self.minimum:
            return None
        (shown, limit), (relevance,) = wording.numbers(weight, self.minimum), wording.numbers(article.relevance)
        why = f" (weight {shown}, of which {limit} is allowed; relevance {relevance})"
        exceedance = min(weight / self.minimum, 5.0) if self.minimum else 5.0
        return view.finding(self, weight, self.minimum, exceedance, why)
