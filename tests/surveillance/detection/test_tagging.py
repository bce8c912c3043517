"""Alerts are tagged by what the log had said until then, and again by what it says later."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from include.surveillance.alerts.market_events import EXPLAINED
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.state import State
from include.surveillance.detection.tagging import REMEMBERED, Tagging
from include.surveillance.records import Alert, ScheduledEvent, Split
from tests.surveillance.detection.market import alerts, bar, calm, engine, news, run, watermark

BURST = 30
MARKET = [*calm(BURST), bar(BURST, volume=50_000), *calm(5, BURST + 1)]


def tags(found: list[Alert], rule: str = "abnormal_volume") -> list[tuple[str, str | None]]:
    return [(alert.status, alert.tag) for alert in found if alert.rule == rule]


def test_news_before_an_alert_explains_it_and_nothing_does_without():
    assert tags(run(MARKET).alerts) == [("fired", "unexplained")]
    (alert,) = alerts(run([news(BURST - 10, sentiment="positive"), *MARKET]), "abnormal_volume")
    assert (alert.tag, alert.tag_evidence) == ("news", ("news|a1|-11 min|positive",))


def test_late_news_tags_it_again_under_the_same_id():
    first, again = alerts(run([*MARKET, news(BURST + 60, sentiment=None)]), "abnormal_volume")
    assert (first.tag, again.tag, again.status) == ("unexplained", "news", "retagged")
    assert again.event_id == first.event_id
    assert again.tag_evidence == ("news|a1|+59 min|unknown",)
    assert (again.value, again.explanation, again.ts_ms) == (first.value, first.explanation, first.ts_ms)


def test_news_that_is_withdrawn_explains_nothing_any_more():
    withdrawn = news(BURST, sentiment="neutral", withdrawn=True)
    found = tags(run([*MARKET, news(BURST, sentiment="neutral"), withdrawn]).alerts)
    assert found == [("fired", "unexplained"), ("retagged", "news"), ("retagged", "unexplained")]


@pytest.mark.parametrize("days", [1, 3])
def test_an_alert_is_forgotten_when_its_series_is_polled_days_later(days):
    log = [*MARKET, watermark(days * 24 * 60), news(BURST, sentiment="neutral")]
    forgotten = days > 2
    assert len(tags(run(log).alerts)) == (1 if forgotten else 2)
    assert bool(run(log).state.record_state.tagged) != forgotten


def test_more_news_of_the_same_is_no_revision_and_other_symbols_are_left_alone():
    more = [news(BURST, sentiment="neutral"), news(BURST + 1, "a2", "neutral"), news(BURST, "a3", symbol="AMD")]
    assert tags(run([*MARKET, *more]).alerts) == [("fired", "unexplained"), ("retagged", "news")]


def test_an_alert_that_was_retracted_is_not_tagged_again():
    found = run([*MARKET, bar(BURST, volume=1_000, close=100.1), news(BURST, sentiment="neutral")])
    assert tags(found.alerts)[-1] == ("retracted", "unexplained")


def test_alerts_of_news_and_corporate_actions_are_tagged_and_those_of_operations_are_not():
    found = run([news(BURST), *MARKET, watermark(BURST + 6, rejected=1)], splits=[split := Split(
        symbol="NVDA", execution_date="2019-02-14", split_from=1, split_to=2)])  # fmt: skip
    by_rule = {alert.rule: alert for alert in found.alerts}
    assert by_rule["news_impact"].tag == "news"
    assert by_rule["news_impact"].tag_evidence[-1] == split.event_id
    assert (by_rule["data_quality"].tag, by_rule["data_quality"].tag_evidence) == (None, ())


def test_what_the_market_explains_is_tagged_so():
    (alert,) = alerts(run(MARKET), "abnormal_volume")
    tagging, reason = Tagging(engine(), State("exact")), f"{EXPLAINED}SPY explains it"
    tagged = tagging.tag(replace(alert, inhibited_by=reason))
    assert (tagged.tag, tagged.tag_evidence) == ("market", (reason,))
    assert tagging.tag(replace(alert, inhibited_by="an outage of our own")).tag == "unexplained"


def test_what_was_scheduled_comes_first():
    event = ScheduledEvent(symbol="NVDA", date="2019-02-14")
    (alert,) = alerts(run([news(BURST), *MARKET], scheduled=[event]), "abnormal_volume")
    assert (alert.tag, alert.tag_evidence[0]) == ("scheduled", "results|NVDA|2019-02-14")
    assert alert.tag_evidence[1].startswith("news|a1|")


LOG = [
    *calm(BURST), bar(BURST, volume=50_000), news(BURST - 5, "a1", "neutral"), *calm(3, BURST + 1),
    bar(BURST, volume=60_000), news(BURST + 3, "a2"), news(BURST - 5, "a1", "neutral", withdrawn=True),
    bar(BURST + 4, volume=40_000, close=103), news(BURST + 3, "a2", withdrawn=True), watermark(BURST + 5, rejected=1),
    *calm(2, BURST + 5), news(BURST + 6, "a3", "positive"), watermark(BURST + 40),
]  # fmt: skip


@settings(deadline=None, max_examples=15)
@given(cuts=st.sets(st.integers(BURST, len(LOG)), max_size=6))
def test_however_the_log_is_cut_the_messages_are_the_same(cuts):
    machine, state, found = engine(), State("exact"), []
    bounds = [0, *sorted(cuts), len(LOG)]
    for first, last in pairwise(bounds):
        detection = detect_records(machine, State.from_bytes(state.to_bytes()), LOG[first:last])
        state, found = detection.state, [*found, *detection.alerts]
    whole = detect_records(machine, State("exact"), LOG)
    assert found == whole.alerts
    assert state.to_bytes() == whole.state.to_bytes()
    assert {"retagged", "ended"} <= {alert.status for alert in found}


BURSTS = [bar(minute, volume=50_000 + minute) for minute in (BURST, BURST + 4, BURST + 40, BURST + 80, BURST + 120)]
ANYTHING = st.one_of(
    st.sampled_from(BURSTS),
    st.sampled_from(BURSTS).map(lambda it: replace(it, source="backfill")),
    st.builds(bar, st.sampled_from([BURST, BURST + 40, BURST + 121]), volume=st.sampled_from([1_000, 70_000])),
    st.builds(bar, st.integers(-2_000, -1_900), volume=st.sampled_from([1_000, 70_000]), source=st.just("backfill")),
    st.builds(
        news, st.sampled_from([BURST, BURST + 50]), st.sampled_from(["a1", "a2"]),
        st.sampled_from(["negative", "neutral"]), withdrawn=st.booleans(),
    ),
    st.builds(watermark, st.sampled_from([BURST + 1, 2_900, 2_950, 9_000]), rejected=st.integers(0, 1)),
)  # fmt: skip


@settings(deadline=None, max_examples=100)
@given(log=st.lists(ANYTHING, max_size=12), cuts=st.sets(st.integers(0, 12), max_size=6))
def test_whatever_comes_it_is_tagged_and_remembered_by_the_log_alone(log, cuts):
    machine = engine()
    calm_before = detect_records(machine, State("exact"), calm(BURST)).state
    state, found = calm_before, []
    for first, last in pairwise([0, *sorted(cuts), len(log)]):
        detection = detect_records(machine, State.from_bytes(state.to_bytes()), log[first:last])
        state, found = detection.state, [*found, *detection.alerts]
    whole = detect_records(machine, calm_before, log)
    assert found == whole.alerts
    assert state.to_bytes() == whole.state.to_bytes()
    told = {alert.event_id: alert for alert in found}
    for it in (it.whole() for remembered in state.record_state.tagged.values() for it in remembered):
        newest = told[it.event_id]
        assert replace(it, status=newest.status) == newest
        assert newest.status != "retracted"


def test_only_the_newest_alerts_of_a_series_are_tagged_again():
    found = run([*MARKET, *calm(60, BURST + 5), bar(BURST + 70, volume=60_000), bar(BURST + 71, close=150),
                 news(BURST + 10, sentiment="neutral")]).alerts  # fmt: skip
    told = {alert.event_id: alert for alert in found if alert.status != "retagged"}
    again = [alert for alert in found if alert.status == "retagged"]
    bars = sorted({alert.bar_close_ms for alert in told.values()})[-REMEMBERED:]
    newest = sorted(
        (alert for alert in told.values() if alert.bar_close_ms in bars),
        key=lambda alert: (alert.bar_close_ms, alert.event_id),
    )
    assert len(told) > REMEMBERED
    assert [alert.event_id for alert in again] == [alert.event_id for alert in newest]
    assert all(alert.event_ids == told[alert.event_id].event_ids for alert in again)


@pytest.mark.parametrize("place", [0, BURST + 3, len(MARKET)])
def test_the_last_tag_does_not_depend_on_when_news_comes(place):
    log = [*MARKET[:place], news(BURST - 5, sentiment="neutral"), *MARKET[place:]]
    assert tags(run(log).alerts)[-1][1] == "news"
