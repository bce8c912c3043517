"""The tag of an alert: what explains it first, with all evidence, and nothing that does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.detection.context_tags import Context, Story, decide_tag
from include.surveillance.records import TAGS
from tests.surveillance.alerts.test_market_events import alert

MINUTE = 60_000
ALERT = alert(rule="abnormal_volume", minute=120)
CLOSE = ALERT.bar_close_ms
HALTED = replace(ALERT, hole_cause="halt", hole_start_ms=1, hole_end_ms=2)


def story(minutes: float, article="a1", sentiment="neutral", relevance=1.0) -> Story:
    return Story(article, CLOSE + round(minutes * MINUTE), sentiment, relevance)


@pytest.mark.parametrize("minutes", [-24 * 60, -35, 0, 120])
@pytest.mark.parametrize("sentiment", ["positive", "neutral", "negative", "unknown"])
def test_news_of_any_sentiment_explains_a_day_after_it_and_two_hours_before(minutes, sentiment):
    cited = f"news|a1|{minutes:+d} min|{sentiment}"
    assert decide_tag(ALERT, Context([story(minutes, sentiment=sentiment)])) == ("news", (cited,))


@pytest.mark.parametrize("it", [story(-24 * 60 - 1), story(121), story(-5, relevance=0.2)])
def test_what_is_far_away_or_hardly_about_it_does_not_explain(it):
    assert decide_tag(ALERT, Context([it])) == ("unexplained", ())


def test_of_many_articles_the_three_most_about_it_are_cited_and_of_these_the_nearest_first():
    stories = [story(-60, "far"), story(-5, "near"), story(-1, "round-up", relevance=0.5), story(-90, "farther")]
    _, evidence = decide_tag(ALERT, Context(stories))
    assert [it.split("|")[1] for it in evidence] == ["near", "far", "farther"]


def test_all_evidence_is_cited_behind_that_of_the_tag():
    whole = Context([story(-5)], ("results|S0|2023-11-15",), market_event="market_event|x", actions=("split|S0|d",))
    tag, evidence = decide_tag(HALTED, whole)
    assert tag == "scheduled"
    kinds = [it.partition("|")[0] for it in evidence]
    assert kinds == ["results", "news", "market_event", "halt", "split"]
    assert decide_tag(HALTED, whole._replace(scheduled=(), stories=()))[0] == "market"
    assert decide_tag(HALTED, Context(actions=whole.actions)) == ("halt", ("halt|1|2", "split|S0|d"))
    assert decide_tag(ALERT, Context(actions=whole.actions))[0] == "corporate action"


@pytest.mark.parametrize("cause", ["unknown", "our outage", "missing sessions"])
def test_other_holes_explain_nothing(cause):
    assert decide_tag(replace(HALTED, hole_cause=cause), Context())[0] == "unexplained"


def test_days_of_the_calendar_explain_volume_around_the_auctions_alone():
    day = Context(days=("expiry",), open_ms=CLOSE - 60 * MINUTE, close_ms=CLOSE + 330 * MINUTE)
    at = {minute: replace(ALERT, ts_ms=day.open_ms + minute * MINUTE) for minute in (0, 29, 30, 329, 330, 390, 391)}
    tagged = {minute: decide_tag(it, day)[0] for minute, it in at.items()}
    expected = {minute: minute in (0, 29, 330, 390) for minute in at}
    assert {minute: tag == "scheduled" for minute, tag in tagged.items()} == expected
    assert decide_tag(replace(at[0], rule="price_gap"), day)[0] == "unexplained"
    assert decide_tag(replace(at[391], timespan="day"), day) == ("scheduled", ("expiry|2023-11-15",))


@given(st.permutations([story(-60, "a"), story(-5, "b"), story(-5, "c"), story(10, "d", relevance=0.5)]))
def test_the_order_of_articles_changes_nothing(stories):
    assert decide_tag(ALERT, Context(stories)) == decide_tag(ALERT, Context(sorted(stories)))


def test_the_tags_stand_in_the_order_in_which_they_are_decided():
    assert TAGS == ("scheduled", "news", "market", "halt", "corporate action", "unexplained")
