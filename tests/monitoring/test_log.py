"""What the exporter counts of a real log, and that it goes on where it was."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from include.monitoring import log as module
from include.monitoring.catalogue import Catalogue
from include.monitoring.log import Log, make_progress
from include.orchestration import notifier
from include.surveillance import broker
from include.surveillance.alerts.latency import stamp_headers
from include.surveillance.errors import BrokerError
from include.surveillance.live import progress as detection
from include.surveillance.places import Place
from include.surveillance.records import Alert, Bar, Reject, Watermark
from include.surveillance.timespans import MINUTE_MS
from tests.conftest import kafka_server

NOW = round(time.time())
MINUTE = NOW // 60


@pytest.fixture(scope="module")
def topics(tmp_path_factory):
    """A broker of one's own: what other tests have published is nothing to count."""
    with kafka_server(tmp_path_factory.mktemp("kafka")) as client:
        broker.ensure_topics(client, 2)
        yield client


@pytest.fixture
def catalogue():
    return Catalogue(CollectorRegistry())


def watermark(minute, symbol="ACME", source="live", bars=3):
    fields = {"symbol": symbol, "timespan": "minute", "source": source, "bars": bars}
    return Watermark(**fields, from_ms=minute * MINUTE_MS, as_of_ms=(minute + 1) * MINUTE_MS)


def bar(minute):
    prices = dict.fromkeys(("open", "high", "low", "close"), 10.0)
    return Bar(symbol="ACME", timespan="minute", ts_ms=minute * MINUTE_MS, volume=Decimal(1), **prices)


def alert(minute, **changes):
    fields = {
        "rule": "price_gap", "rule_version": 1, "parameters_version": "test", "symbol": "ACME", "timespan": "minute",
        "ts_ms": minute * MINUTE_MS, "bar_close_ms": (minute + 1) * MINUTE_MS, "value": 0.031, "threshold": 0.02,
        "window_start_ms": 0, "window_end_ms": 0, "score": 70.0, "severity": "high", "tag": "news",
        "episode_start_ms": minute * MINUTE_MS, "session_phase": "regular", "session_date": "2023-11-14",
        "data_age_ms": 900, "event_ids": ("bar 1",), "explanation": "ACME opened 3.1 % above the previous close",
    }  # fmt: skip
    return Alert(**(fields | changes))


def value(catalogue, name, **labels):
    return catalogue.registry.get_sample_value(f"surveillance_{name}", labels)


def test_what_comes_is_counted_and_of_what_was_only_the_newest_watermark(topics, catalogue):
    broker.publish(topics, [watermark(MINUTE - 5), watermark(MINUTE - 3), alert(MINUTE - 9)])
    log = Log(topics, catalogue)
    now = time.time()
    log._began_ms = round(now * 1_000) + 1
    time.sleep(0.05)
    log.look(now)
    assert value(catalogue, "watermark_timestamp_seconds", timespan="minute") == (MINUTE - 2) * 60
    assert value(catalogue, "polled_bars_total", timespan="minute", source="live") is None
    broker.publish(
        topics,
        [
            *(bar(MINUTE - ago) for ago in range(3)),
            watermark(MINUTE),
            watermark(MINUTE - 1, "OTHER", bars=2),
            watermark(MINUTE + 9, source="backfill", bars=7),
            Reject(stage="normalise", reason="high below low", detail="1 < 2", raw="{}"),
            alert(MINUTE),
            alert(MINUTE, status="refired", firings=4),
            alert(MINUTE, status="ended", firings=5),
            alert(MINUTE - 7, status="refired", firings=8),
            alert(MINUTE, symbol="OLD", source="backfill", tag=None),
        ],
    )
    log.look(time.time())
    # A backfill is no poll: it says nothing of the feed.
    assert value(catalogue, "watermark_timestamp_seconds", timespan="minute") == (MINUTE + 1) * 60
    assert value(catalogue, "polled_symbols", timespan="minute") == 2
    assert value(catalogue, "polled_bars_total", timespan="minute", source="live") == 5
    assert value(catalogue, "polled_bars_total", timespan="minute", source="backfill") == 7
    assert value(catalogue, "rejected_records_total", stage="normalise", reason="high below low") == 1
    raised = {"rule": "price_gap", "severity": "high"}
    assert value(catalogue, "alerts_total", **raised, tag="news", source="live") == 1
    assert value(catalogue, "alerts_total", **raised, tag="none", source="backfill") == 1
    assert value(catalogue, "alert_messages_total", rule="price_gap", status="refired") == 2
    # Five of the episode that was seen from its beginning; of the other nobody knows which are new.
    assert value(catalogue, "firings_total", rule="price_gap") == 5


def test_the_steps_of_an_alerts_way_add_up(topics, catalogue):
    log = Log(topics, catalogue)
    log.look(time.time())
    closed = NOW * 1_000 - 5_000
    headers = stamp_headers(structs.replace(bar(MINUTE), polled_ms=closed + 2_000), closed + 2_500, closed + 3_500)
    with broker.transaction(topics, "test", "test") as transaction:
        transaction.send(alert(MINUTE - 20, bar_close_ms=closed), headers=headers)
    deadline = time.monotonic() + 20
    while value(catalogue, "alert_latency_seconds_count", step="close_to_alert") is None:
        assert time.monotonic() < deadline, "a transaction that is committed is seen a moment later"
        log.look(time.time())
    sums = {
        step: value(catalogue, "alert_latency_seconds_sum", step=step)
        for step in ("close_to_poll", "poll_to_append", "append_to_detect", "detect_to_alert", "close_to_alert")
    }
    assert (sums["close_to_poll"], sums["poll_to_append"], sums["append_to_detect"]) == (2.0, 0.5, 1.0)
    assert sum(list(sums.values())[:-1]) == pytest.approx(sums["close_to_alert"])


def test_after_an_outage_of_kafka_it_goes_on_where_it_was(topics, catalogue, monkeypatch):
    log = Log(topics, catalogue)
    log.look(time.time())
    monkeypatch.setattr(log._reader, "read_all", lambda _limit: (_ for _ in ()).throw(BrokerError("gone")))
    with pytest.raises(BrokerError):
        log.look(time.time())
    broker.publish(topics, [watermark(MINUTE, "LATER", bars=11)])
    log.look(time.time())
    assert value(catalogue, "polled_bars_total", timespan="minute", source="live") == 11


def test_progress_is_a_moment_and_a_count(topics, catalogue):
    looks = {look.part: look for look in make_progress(topics, catalogue)}
    assert set(looks) == {"detector", "notifier", "landing"}
    assert module.NOTIFIER == notifier.GROUP
    looks["landing"].look(NOW)
    assert value(catalogue, "consumed_timestamp_seconds", group="landing") is None
    positions = detection.list_detected(topics)
    with broker.Bounds(topics) as bounds:
        ends = {position: Place(bounds(position)[1]) for position in positions}
    broker.commit(topics, detection.GROUP, ends)
    looks["detector"].look(NOW)
    assert value(catalogue, "consumed_timestamp_seconds", group="detector") == NOW
    assert value(catalogue, "consumer_lag_messages", group="detector") == 0
    before = time.time()
    broker.publish(topics, [bar(MINUTE)])
    looks["detector"].look(NOW + 999)
    assert before - 1 <= value(catalogue, "consumed_timestamp_seconds", group="detector") <= time.time()
    assert value(catalogue, "consumer_lag_messages", group="detector") >= 1
