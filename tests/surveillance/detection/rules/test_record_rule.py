"""A rule of single records fires, does not fire, or has too little to go on: three different verdicts."""

from __future__ import annotations

from include.surveillance.detection.rules.data_quality import DataQuality
from include.surveillance.detection.rules.feed_freshness import FeedFreshness
from include.surveillance.detection.rules.record_rule import NOT_APPLICABLE, Finding, WatermarkView
from tests.surveillance.detection.market import OPEN, SESSIONS, at, bar, watermark

VIEW = WatermarkView(
    watermark=watermark(40),
    last_ms=OPEN,
    last_id=bar(0).event_id,
    presence=None,
    sessions=SESSIONS,
    renamed=False,
)


def test_a_finding_names_the_records_that_it_rests_on():
    finding = FeedFreshness().evaluate(VIEW)
    assert isinstance(finding, Finding)
    assert finding.event_ids == (watermark(40).event_id, bar(0).event_id)
    assert (finding.window_start_ms, finding.window_end_ms) == (at(0), at(40))
    assert (finding.rule, finding.rule_version, finding.form) == ("feed_freshness", 2, "literal")


def test_looked_at_and_silent_is_not_too_little_to_go_on():
    fresh = FeedFreshness(allowed_minutes={"minute": 60.0})
    assert fresh.evaluate(VIEW) is None
    assert fresh.evaluate(VIEW._replace(last_ms=None)) is NOT_APPLICABLE
    assert fresh.evaluate(VIEW._replace(renamed=True)) is NOT_APPLICABLE
    assert FeedFreshness(allowed_minutes={}).evaluate(VIEW) is NOT_APPLICABLE


def test_a_limit_of_zero_is_exceeded_infinitely_and_a_chance_of_zero_never():
    assert FeedFreshness(allowed_minutes={"minute": 0.0}).evaluate(VIEW).exceedance == float("inf")
    assert FeedFreshness(chance=0.0).explained_minutes([0.5], 1.0) == float("inf")


def test_rejects_are_counted_against_what_is_allowed():
    view = VIEW._replace(watermark=watermark(40, bars=3, rejected=2))
    assert DataQuality(allowed=1).evaluate(view).exceedance == 1 + 2 / 5
    assert DataQuality(allowed=2).evaluate(view) is None
