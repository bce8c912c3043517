"""What ran live in a real Kafka against a replay of its log: the same alerts, and every difference is named."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from include.surveillance import broker, wire
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.live import history
from include.surveillance.records import Alert
from include.surveillance.studies import agreement
from tests.integration.detecting import LITERAL, detect_partition
from tests.surveillance.detection.market import profile
from tests.surveillance.live.partition_log import SESSIONS, article, bar, read_settled
from tests.surveillance.live.partition_log import partition as partition


def detect(kafka, partition, book=LITERAL):
    detect_partition(kafka, partition, sessions=SESSIONS, book=book)


def compare(kafka, book=LITERAL):
    return agreement.compare_log(kafka, sessions=SESSIONS, book=book)


@pytest.fixture
def ran(kafka, partition) -> list[Alert]:
    """Two hours in batches of a few minutes, bursts and steps among them, one late and one corrected; its alerts."""
    rng = random.Random(7)
    minutes = [
        bar(k, volume=round(1_000 * rng.uniform(0.8, 1.2)) * (9 if k % 37 == 36 else 1), close=100 + k // 30)
        for k in range(1, 120)
    ]
    minutes[70], minutes[72] = minutes[72], minutes[70]
    minutes.insert(90, bar(85, volume=7_000))
    for start in range(0, len(minutes), 18):
        broker.publish(kafka, minutes[start : start + 18])
        detect(kafka, partition)
    batch = read_settled(kafka, partition, broker.ALERTS)
    return [wire.decode(message.value) for message in batch.messages]


def test_a_replay_of_the_log_raises_what_ran_live(kafka, ran):
    standing = {alert.event_id for alert in ran}
    assert len({alert.rule for alert in ran}) > 1
    assert compare(kafka) == (len(standing), [])


def test_profiles_that_come_while_it_runs_hold_from_their_moment_on_in_the_replay_too(kafka, partition):
    rng = random.Random(11)
    minutes = [
        bar(k, volume=round(1_000 * rng.uniform(0.5, 1.5)) * (12 if k % 41 > 38 else 1), close=100 + k // 25)
        for k in range(1, 200)
    ]
    for start in range(0, len(minutes), 18):
        if start == 90:
            broker.publish(kafka, [profile(effective_ms=minutes[start + 1].ts_ms)])
        broker.publish(kafka, minutes[start : start + 18])
        detect(kafka, partition, ParameterBook.default())
    batch = read_settled(kafka, partition, broker.ALERTS)
    alerts = [wire.decode(message.value) for message in batch.messages]
    assert {alert.form for alert in alerts} == {"robust"}, "without a profile nothing is judged"
    assert len({alert.rule for alert in alerts}) > 1
    assert compare(kafka, ParameterBook.default()) == (len({alert.event_id for alert in alerts}), [])


def test_news_meet_bars_that_are_brought_days_after_other_bars_of_their_symbol(kafka, partition):
    """As a demo does: minutes of some days, live minutes, then the days' 5-minute bars by the evening's re-poll."""
    live = 5 * 1440

    def five_minutes(k: int, volume: int):
        return replace(bar(5 * k, volume=volume), timespan="5minute", event_id="", revision="", source="backfill")

    broker.publish(kafka, [article(101)])
    broker.publish(kafka, [bar(k, volume=9_000 if k == 98 else 1_000) for k in range(1, 120)])
    detect(kafka, partition)
    broker.publish(kafka, [bar(live + k, volume=9_000 if k == 30 else 1_000) for k in range(40)])
    detect(kafka, partition)
    broker.publish(kafka, [five_minutes(k, 9_000 if k == 20 else 1_000) for k in range(24)])
    detect(kafka, partition)
    batch = read_settled(kafka, partition, broker.ALERTS)
    alerts = [wire.decode(message.value) for message in batch.messages]
    assert [it.timespan for it in alerts if it.rule == "news_impact"] == ["minute"]
    assert compare(kafka) == (len({alert.event_id for alert in alerts}), [])
    # The 5-minute bars are history, which is compared by itself.
    _, untold = agreement.compare_history(kafka, sessions=SESSIONS, book=LITERAL)
    assert any(line.startswith("news_impact|NVDA|5minute|") for line in untold)
    history.judge_partition(kafka, partition, sessions=SESSIONS, book=LITERAL)
    assert agreement.compare_history(kafka, sessions=SESSIONS, book=LITERAL) == (len(untold), [])
    assert compare(kafka) == (len({alert.event_id for alert in alerts}), [])


@pytest.mark.parametrize("history_first", [True, False])
def test_live_bars_stand_as_they_were_judged_where_a_backfill_brings_their_past_behind_them(
    kafka, partition, history_first
):
    """As in a demo that begins just before the five minutes are over: the evening's re-poll comes behind that bar."""
    history = [replace(bar(k), source="backfill") for k in range(1, 60)]
    first, later = [bar(60, volume=9_000)], [bar(k, volume=9_000 if k == 90 else 1_000) for k in range(61, 100)]
    for batch in (history, first, later) if history_first else (first, history, later):
        broker.publish(kafka, batch)
        detect(kafka, partition)
    batch = read_settled(kafka, partition, broker.ALERTS)
    raised = {(it.rule, it.ts_ms) for it in (wire.decode(message.value) for message in batch.messages)}
    assert (("abnormal_volume", first[0].ts_ms) in raised) == history_first
    assert ("abnormal_volume", bar(90).ts_ms) in raised
    assert compare(kafka) == (len(raised), [])


def test_live_bars_whose_places_a_backfill_took_first_are_judged_without_their_episodes_course(kafka, partition):
    """As in a demo whose live polls begin with minutes that its backfill has brought."""
    bars = [bar(k, volume=9_000 + 100 * k if k in (52, 54, 56) else 1_000) for k in range(1, 60)]
    broker.publish(kafka, [replace(it, source="backfill") for it in bars])
    detect(kafka, partition)
    broker.publish(kafka, bars[48:])
    detect(kafka, partition)
    batch = read_settled(kafka, partition, broker.ALERTS)
    alerts = [wire.decode(message.value) for message in batch.messages]
    assert {it.source for it in alerts} == {"live"}
    assert [it.status for it in alerts if it.rule == "abnormal_volume"] == ["fired"]
    assert compare(kafka) == (len({it.event_id for it in alerts}), [])


def test_the_course_of_an_episode_counts_where_nothing_was_corrected(kafka, partition):
    broker.publish(kafka, [bar(k, volume=9_000 if k in (50, 52) else 1_000) for k in range(1, 80)])
    detect(kafka, partition)
    assert compare(kafka) == (1, [])
    batch = read_settled(kafka, partition, broker.ALERTS)
    grown = wire.decode(batch.messages[-1].value)
    assert (grown.status, grown.firings) == ("refired", 2)
    broker.publish(kafka, [replace(grown, value=1.0)])
    _, (different,) = compare(kafka)
    assert different.startswith(f"{grown.event_id}: newest value is 1.0 live")


@pytest.mark.parametrize("corrected", [False, True])
def test_an_alert_that_no_message_opens_is_told_where_nothing_was_corrected(kafka, partition, corrected):
    broker.publish(kafka, [bar(k, volume=9_000 if k in (50, 52) else 1_000) for k in range(1, 80)])
    if corrected:
        broker.publish(kafka, [bar(79, volume=1_100)])
    detect(kafka, partition)
    fired, grown = [wire.decode(message.value) for message in read_settled(kafka, partition, broker.ALERTS).messages]
    assert (fired.status, grown.status) == ("fired", "refired")
    broker.publish(kafka, [replace(fired, status="retracted"), grown])
    assert compare(kafka) == (1, [] if corrected else [f"{grown.event_id}: no message opens it live"])


def test_an_alert_that_only_one_has_and_a_field_that_differs_are_told(kafka, ran):
    changed, *_ = ran
    forged = replace(changed, event_id="", episode_start_ms=1)
    broker.publish(kafka, [replace(changed, score=1.0), replace(forged, event_id=forged.identity())])
    _, (missing, different) = compare(kafka)
    assert missing.startswith(f"{forged.identity()}: live only")
    assert different.startswith(f"{changed.event_id}: opened score is 1.0 live")


def test_retracted_alerts_are_left_out(kafka, ran):
    withdrawn = replace(ran[-1], status="retracted")
    compared, _ = compare(kafka)
    broker.publish(kafka, [withdrawn])
    without, different = compare(kafka)
    assert without == compared - 1
    assert different == [f"{withdrawn.event_id}: replay only ({withdrawn.explanation})"]
