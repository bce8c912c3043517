"""One pass over records: what it counts, which record raised what, and in which order it is published."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.surveillance.detection.columns import write_event_id
from include.surveillance.detection.parameters.overrides import Override
from include.surveillance.detection.state import REVISABLE, State
from include.surveillance.records import Bar, NewsItem, Record, Split, Watermark
from tests.surveillance.detection.market import DAY, OPEN, alerts, at, bar, calm, news, profile, run, watermark

bursts = st.builds(
    lambda symbol, minute, volume: bar(minute, volume=volume, symbol=symbol),
    symbol=st.sampled_from(["NVDA", "AMD"]),
    minute=st.integers(15, 45),
    volume=st.sampled_from([1000, 5000, 46_000, 300_000]),
)
articles = st.builds(
    lambda symbol, minute, name: news(minute, name, symbol=symbol),
    symbol=st.sampled_from(["NVDA", "AMD"]),
    minute=st.integers(10, 50),
    name=st.sampled_from(["a1", "a2"]),
)
watermarks = st.builds(
    lambda symbol, minute, rejected: watermark(minute, symbol=symbol, rejected=rejected),
    symbol=st.sampled_from(["NVDA", "AMD"]),
    minute=st.integers(20, 90),
    rejected=st.integers(0, 2),
)
logs = st.lists(bursts | articles | watermarks, max_size=25).map(
    lambda records: [*calm(), *calm(symbol="AMD"), *records]
)


# Nobody asked for what is missing before the burst, and only the watermark behind it says so.
OUTAGE = [*calm(), *calm(symbol="AMD"), watermark(20), bar(35, volume=46_000), watermark(46)]


@settings(deadline=None, max_examples=60)
@example(log=OUTAGE, profiles=())
@given(log=logs, profiles=st.sampled_from([(), (profile(), profile(symbol="AMD"))]))
def test_every_alert_names_a_record_of_its_symbol_and_all_are_in_the_order_of_the_log(log, profiles):
    detection = run(log, profiles=profiles)
    assert len(detection.raised_by) == len(detection.alerts)
    assert detection.raised_by == sorted(detection.raised_by)
    raised_by_bars = set()
    for alert, log_index in zip(detection.alerts, detection.raised_by, strict=True):
        record = log[log_index]
        assert record.symbol == alert.symbol
        if alert.rule in ("feed_freshness", "data_quality"):
            assert isinstance(record, Watermark)
        elif alert.rule == "news_impact" or alert.status == "retagged":
            assert isinstance(record, Bar | NewsItem)
        elif alert.hole_cause == "our outage" and alert.event_id in raised_by_bars:
            assert isinstance(record, Bar | Watermark)
        else:
            assert isinstance(record, Bar)
            raised_by_bars.add(alert.event_id)
        if alert.status in ("fired", "refired") and isinstance(record, Bar) and alert.ts_ms == record.ts_ms:
            assert record.event_id in alert.event_ids


@settings(deadline=None, max_examples=60)
@given(log=logs)
def test_every_record_is_counted_once_as_what_it_is(log):
    counts = run(log).counts
    kinds = Counter(type(record) for record in log)
    assert (counts["bars"], counts["watermarks"], counts["news"]) == (kinds[Bar], kinds[Watermark], kinds[NewsItem])
    assert counts["other"] == 0
    late = counts["late"] + counts["corrected"] + counts["stale"]
    assert late + counts["duplicate"] <= len(log) - 40


@settings(deadline=None, max_examples=60)
@given(log=logs)
def test_a_metric_is_published_of_each_bar_that_is_new_and_of_each_that_a_revision_changes(log):
    detection = run(log)
    published = Counter(metric.event_id for metric in detection.metrics)
    assert set(published) == {f"metric|{it.symbol}|minute|{it.ts_ms}" for it in log if isinstance(it, Bar)}
    revisions = detection.counts["late"] + detection.counts["corrected"]
    assert sum(published.values()) - len(published) <= revisions * (REVISABLE + 1)
    newest = {metric.event_id: metric for metric in detection.metrics}
    bars = {(it.symbol, it.ts_ms): it for it in log if isinstance(it, Bar)}
    assert all(metric.bar_event_id == bars[metric.symbol, metric.ts_ms].event_id for metric in newest.values())


def test_records_that_detection_does_not_know_are_counted_and_nothing_else():
    split = Split(symbol="NVDA", execution_date="2019-02-14", split_from=1, split_to=2)
    records: list[Record] = [*calm(), split, bar(20, volume=9000)]
    detection = run(records)
    assert detection.counts["other"] == 1
    assert [
        (alert.rule, log_index) for alert, log_index in zip(detection.alerts, detection.raised_by, strict=True)
    ] == [("abnormal_volume", 21)]


def test_a_late_bar_changes_the_metrics_whose_windows_hold_it_and_no_others():
    detection = run([*calm(30), *calm(9, 31), bar(30, volume=1200)])
    assert detection.counts["late"] == 1
    again = Counter(metric.ts_ms for metric in detection.metrics)
    assert {ts_ms for ts_ms, count in again.items() if count > 1} == {at(minute) for minute in range(31, 40)}
    assert [metric.ts_ms for metric in detection.metrics[-10:]] == [at(minute) for minute in range(30, 40)]


def test_alerts_of_one_record_come_by_kind_and_news_last():
    records = [*calm(), watermark(20), news(19), bar(20, volume=46_000, close=103)]
    detection = run(records)
    assert [alert.rule for alert in detection.alerts] == ["abnormal_volume", "price_breakout", "news_impact"]
    assert set(detection.raised_by) == {22}


@pytest.mark.parametrize("form", ["exact", "sketch"])
def test_the_state_given_is_left_and_the_one_returned_is_advanced(form):
    before = run(calm(), State(form)).state
    raw = before.to_bytes()
    after = run([bar(20, volume=9000), news(20), watermark(21)], before).state
    assert before.to_bytes() == raw
    key = "NVDA", "minute"
    assert write_event_id(key, after.latest_bars([key])[key]) == bar(20, volume=9000).event_id
    assert write_event_id(key, before.latest_bars([key])[key]) == bar(19).event_id


@settings(deadline=None, max_examples=60)
@example(log=OUTAGE, cut=41)
@given(log=logs, cut=st.integers(40, 65))
def test_whatever_a_pass_changes_it_leaves_the_state_that_it_is_given(log, cut):
    before = run(log[:cut], State("sketch")).state
    raw = before.to_bytes()
    run(log[cut:], before)
    assert before.to_bytes() == raw


def test_a_watermark_knows_the_bars_before_it_in_the_log_and_those_of_batches_before():
    (alert,) = alerts(run([bar(0), watermark(17), bar(16), watermark(18)]), "feed_freshness")
    assert (alert.ts_ms, alert.event_ids[1]) == (at(17), bar(0).event_id)
    earlier = run([bar(0)]).state
    (alert,) = alerts(run([watermark(17), bar(16)], earlier), "feed_freshness")
    assert alert.event_ids[1] == bar(0).event_id


def test_a_watermark_names_the_latest_bar_as_it_was_corrected_before_it():
    bars = [bar(0), bar(1), right := bar(1, volume=1_001), bar(0, volume=1_002), bar(2), bar(2, volume=1_003)]
    (alert,) = alerts(run([*bars[:4], watermark(18), *bars[4:]]), "feed_freshness")
    assert alert.event_ids[1] == right.event_id
    (apart,) = alerts(run([watermark(18)], run(bars[:4]).state), "feed_freshness")
    assert apart == alert


def test_a_series_whose_first_profile_is_yet_to_come_has_none_not_that_of_the_series_before_it():
    profiles = [profile(symbol="AMD", presence=[1.0] * 94), profile(effective_ms=OPEN + DAY)]
    assert not alerts(run([bar(0), watermark(10)], profiles=profiles), "feed_freshness")
    patient = {"rule": "feed_freshness", "form": None, "set": {"allowed_minutes": {"minute": 60.0}}}
    of_liquid = Override(scope="liquidity", whom="liquid", effective="2019-01-01", rationale="none", **patient)
    (alert,) = alerts(run([bar(0), watermark(17)], profiles=profiles, overrides=[of_liquid]), "feed_freshness")
    assert (alert.form, alert.threshold, alert.profile_version) == ("literal", 15.0, None)
