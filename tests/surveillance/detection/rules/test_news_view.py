"""An article and a bar of abnormal volume: how far apart they are, and what is said of the two."""

from __future__ import annotations

import pytest

from include.surveillance.detection.record_state import Article, VolumeBar
from include.surveillance.detection.rules.literal.news_impact import LiteralNewsImpact
from include.surveillance.detection.rules.news_view import NewsView
from include.surveillance.detection.rules.record_rule import NOT_APPLICABLE
from include.surveillance.detection.rules.robust.news_impact import RobustNewsImpact
from tests.surveillance.detection.market import at


def view(published: float, *, polled: float = 0, timespan: str = "minute", **over) -> NewsView:
    """An article, and a bar that starts 20 minutes after the open."""
    about = {"sentiment": "negative", "relevance": 1.0, "novel": True} | over
    article = Article("a1", "news|a1", at(published), at(polled or published), "Recall", **about)
    bar = VolumeBar(
        ts_ms=at(20), rests_on=((at(20), 1), (at(0), 2)), form="literal", value=9000.0, threshold=3000.0,
        baseline=1000.0, exceedance=3.0, polled_ms=at(21), source="live",
    )  # fmt: skip
    return NewsView("NVDA", timespan, article, bar, lambda ts_ms: ("NVDA", timespan))


@pytest.mark.parametrize(("published", "apart"), [(18, 2), (20, 0), (25.5, -5.5)])
def test_apart_is_counted_from_publication_to_the_start_of_the_bar(published, apart):
    assert view(published).apart_ms == apart * 60_000


@pytest.mark.parametrize(("published", "fires"), [(10, False), (10.01, True), (29.99, True), (30, False)])
def test_the_literal_form_fires_within_ten_minutes_of_either_side(published, fires):
    assert (LiteralNewsImpact().evaluate(view(published)) is not None) == fires


@pytest.mark.parametrize(("published", "fires"), [(5, False), (5.01, True), (21.99, True), (22, False)])
def test_the_robust_form_fires_from_before_to_after(published, fires):
    rule = RobustNewsImpact(minimum=0.0)
    assert (rule.evaluate(view(published)) is not None) == fires


@pytest.mark.parametrize("rule", [LiteralNewsImpact(), RobustNewsImpact()])
def test_longer_bars_cannot_place_their_volume(rule):
    assert rule.evaluate(view(20, timespan="15minute")) is NOT_APPLICABLE


def test_what_is_said_of_the_two():
    before, after = (LiteralNewsImpact().evaluate(view(minute)).explanation for minute in (18, 22))
    assert "9,000 shares in the minute from 09:50 New York (14:50 UTC), where 1,000 are usual and up to 3,000" in before
    assert "allowed, 2 minutes after negative news" in before
    assert "allowed, 2 minutes before negative news" in after
    late = LiteralNewsImpact().evaluate(view(18, polled=30))
    assert "(which arrived 9 minutes after the bar)" in late.explanation
    assert late.polled_ms == at(30)


def test_the_weight_falls_with_distance_relevance_and_repetition():
    rule = RobustNewsImpact(minimum=0.0)
    full = rule.evaluate(view(20)).value
    assert full == 3.0
    assert rule.evaluate(view(20, relevance=0.5)).value == 1.5
    assert rule.evaluate(view(10)).value == pytest.approx(full * 2.718281828**-1)
    assert rule.evaluate(view(20, novel=False)) is None


def test_without_a_minimum_or_a_decay_nothing_divides_by_zero():
    assert RobustNewsImpact(minimum=0.0).evaluate(view(20)).exceedance == 5.0
    assert RobustNewsImpact(decay_minutes=0.0).evaluate(view(19)) is None
    assert RobustNewsImpact(decay_minutes=0.0).evaluate(view(20)).value == 3.0
