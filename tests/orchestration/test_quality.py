"""Each check says which stage is broken: what is rejected or missing counts once."""

from __future__ import annotations

import uuid
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from include.orchestration import notifier, quality
from include.orchestration.sender import open_sender
from include.surveillance import broker
from include.surveillance.detection.slots import lay_out_slots
from include.surveillance.live import progress
from include.surveillance.places import Place
from include.surveillance.records import Bar, Profile, Reject, Watermark
from include.surveillance.timespans import MINUTE_MS, now_ms, to_ms
from include.surveillance.warehouse import landing
from tests.orchestration.conftest import alert

SINCE = datetime(2040, 1, 30, 14, 30, tzinfo=UTC)  # later than what other tests reject
NOW_MS = int(SINCE.timestamp() * 1_000) + 60_000


def reject(raw: str, source: str = "live", polled_ms: int = NOW_MS, reason: str = "high below low") -> Reject:
    return Reject(stage="normalise", reason=reason, detail="", raw=raw, source=source, polled_ms=polled_ms)


@pytest.fixture
def count(topics):
    """What one check counts more than the check before it."""
    before = quality.check_rejects(SINCE, limit=10_000)

    def count(*records: Reject, limit: int = 10_000) -> int:
        broker.publish(topics, records)
        return quality.check_rejects(SINCE, limit=limit) - before

    return count


@pytest.fixture(autouse=True)
def connection(kafka, monkeypatch):
    monkeypatch.setattr(quality.connections, "kafka", lambda: kafka)


def test_a_bar_without_volume_is_no_fault(count):
    assert count(reject("untraded", reason="no trade"), reject("wrong")) == 1


def test_a_bar_rejected_by_every_overlap_counts_once(count):
    assert count(*[reject("once")] * 5) == 1


def test_a_backfill_and_older_rejects_do_not_count(count):
    assert count(reject("past", source="backfill"), reject("old", polled_ms=NOW_MS - 3_600_000)) == 0


def test_too_many_name_the_reason(count):
    with pytest.raises(quality.QualityError, match="for 'high below low'"):
        count(*(reject(f"many {number}") for number in range(3)), limit=2)


# --- notification and landing by their age


def test_an_alert_that_waits_too_long_is_reported_and_one_that_is_new_is_counted(database):
    notifier.notify([alert(), alert("ZVZZT", source="backfill")])
    now = datetime.now(UTC)
    assert quality.check_notification(now) == 1
    with pytest.raises(quality.QualityError, match=r"nobody has been notified of 1 alerts .*notify_alerts"):
        quality.check_notification(now + timedelta(minutes=11))
    with open_sender("log") as sender:
        assert sender.send_next(now)
    assert quality.check_notification(now + timedelta(minutes=11)) == 0


def test_a_channel_without_its_connection_is_reported_at_once_and_one_that_fails_by_its_error(database, monkeypatch):
    monkeypatch.setenv("ALERT_CHANNELS", "slack")
    now = datetime.now(UTC)
    with pytest.raises(quality.QualityError, match="connection slack_alerts is not defined"):
        quality.check_notification(now)
    notifier.notify([alert()])
    with open_sender("slack") as sender:
        sender.send_next(now)
    with pytest.raises(quality.QualityError, match=r"channel slack fails since .*is not defined"):
        quality.check_notification(now + timedelta(minutes=11))


def test_a_channels_connection_that_no_setting_names_is_reported(database, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_WEBHOOK_ALERTS", "http://example.com")
    with pytest.raises(quality.QualityError, match="webhook_alerts is defined, but ALERT_CHANNELS names no such"):
        quality.check_notification(datetime.now(UTC))


@pytest.mark.parametrize("last", [None, SINCE])
def test_a_landing_that_is_too_long_ago_or_never_was_is_reported(monkeypatch, last):
    monkeypatch.setattr(quality.connections, "warehouse", nullcontext)
    monkeypatch.setattr(landing, "last_landing", lambda _: last)
    with pytest.raises(quality.QualityError, match=r"land_raw"):
        quality.check_landing(SINCE + timedelta(minutes=16))
    if last:
        assert quality.check_landing(SINCE + timedelta(minutes=14)) == 14 * 60


# --- feeds by their newest watermark, detection by the age of what it has not seen


def test_a_feed_that_is_late_is_named_with_its_newest_poll(topics):
    later = SINCE + timedelta(days=1)
    about = {"symbol": "ACME", "from_ms": to_ms(SINCE), "bars": 1}
    marks = [Watermark(timespan=timespan, as_of_ms=to_ms(later), **about) for timespan in quality.OLDEST]
    broker.publish(topics, marks)
    assert quality.check_feeds(later + timedelta(seconds=30)) == {"minute": 30.0, "5minute": 30.0}
    broker.publish(topics, [Watermark(timespan="5minute", as_of_ms=to_ms(later + timedelta(minutes=9)), **about)])
    with pytest.raises(quality.QualityError, match=r"late \(minute: newest poll is of .*, 600 s ago\)"):
        quality.check_feeds(later + timedelta(minutes=10))


@pytest.fixture
def unread(topics, monkeypatch):
    """A detection that has seen all messages but one."""
    monkeypatch.setattr(progress, "GROUP", f"detector-{uuid.uuid4().hex}")
    positions = [position for partition in range(4) for position in progress.positions_of(partition)]
    broker.commit(topics, progress.GROUP, broker.read(topics, dict.fromkeys(positions), limit=10**7).places)
    assert quality.check_detection() == 0.0
    broker.publish(topics, [Watermark(symbol="ACME", timespan="minute", from_ms=0, as_of_ms=1, bars=0)])
    return topics, positions


def test_a_single_message_that_detection_does_not_see_is_reported_by_its_age(unread, monkeypatch):
    monkeypatch.setattr(quality, "now_ms", lambda: now_ms() + 170_000)
    assert 170 <= quality.check_detection() < 180
    monkeypatch.setattr(quality, "now_ms", lambda: now_ms() + 180_000)
    with pytest.raises(
        quality.QualityError,
        match=r"detection of partition \d has not seen a message of polygon.bars.raw since .* UTC, 18\d s "
        r"\(allowed 180 s\); look at DAG detect_anomalies",
    ):
        quality.check_detection()


def test_a_lag_that_nobody_knows_is_red(unread):
    kafka, positions = unread
    broker.commit(kafka, progress.GROUP, {positions[0]: Place(10**9)})
    with pytest.raises(quality.QualityError, match=r"how far detection is behind is unknown: .*has lost messages"):
        quality.check_detection()


# --- missing minutes are counted by cause, and reported once when they are somebody's fault


def profile(symbol):
    flat = [1.0] * lay_out_slots("minute", 1440, extended=False).total
    lists = dict.fromkeys(("volume_level", "volume_scale", "return_factor", "presence"), flat)
    numbers = dict.fromkeys(("volatility_fire", "volatility_clear", "range_percent", "turnover"), 1.0)
    about = {"first_date": "2026-01-01", "last_date": "2026-01-29", "sessions": 20, "liquidity": "liquid"}
    return Profile(symbol=symbol, timespan="minute", effective_ms=0, **about, **lists, **numbers)


@pytest.fixture
def polls(topics, monkeypatch):
    """Publish what polls brought in the last 40 minutes; minutes count back from the end of what is looked at."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    end_ms = round((now - quality.POLLED_AGAIN).timestamp() * 1_000)
    monkeypatch.setenv("MARKET_CALENDAR", "24/7")
    monkeypatch.setattr(quality.connections, "kafka", lambda: topics)

    def polls(name: str, without=(), unasked=(), source="live") -> datetime:
        symbols = [f"{name}{number}" for number in range(4)]
        monkeypatch.setenv("AIRFLOW_VAR_WATCHLIST", " ".join(symbols))
        records = [profile(symbol) for symbol in symbols]
        for symbol in symbols:
            for back in range(40, 0, -1):
                ts_ms = end_ms - back * MINUTE_MS
                about = {"symbol": symbol, "timespan": "minute", "source": source}
                if back not in {*without, *unasked}:
                    records.append(Bar(ts_ms=ts_ms, open=1, high=1, low=1, close=1, volume=1, **about))
                if back not in unasked:
                    records.append(Watermark(from_ms=ts_ms, as_of_ms=ts_ms + MINUTE_MS, bars=1, **about))
        broker.publish(topics, records)
        return now

    return polls


def test_nothing_missing_is_all_zero(polls):
    assert set(quality.check_missing_minutes(polls("FULL")).values()) == {0}


def test_minutes_that_the_provider_left_out_are_told(polls):
    with pytest.raises(quality.QualityError, match=r"sent no bars of 4 symbols \(GAP0, GAP1, GAP2, GAP3\) between"):
        quality.check_missing_minutes(polls("GAP", without=(3,)))


def test_minutes_that_nobody_asked_for_are_told(polls):
    with pytest.raises(quality.QualityError, match=r"nobody asked for the bars of 4 symbols .*ingest_market_data"):
        quality.check_missing_minutes(polls("OUT", unasked=(1, 2)))


def test_what_the_check_before_has_told_is_counted_and_not_told_again(polls):
    counts = quality.check_missing_minutes(polls("OLD", without=(20, 21), unasked=(10,)))
    assert counts == {"no trade": 0, "halt": 0, "provider gap": 8, "our outage": 4, "unknown": 0}


def test_records_of_a_backfill_and_of_symbols_that_are_not_watched_do_not_count(polls):
    polls("NOBODY", without=(3,))
    assert set(quality.check_missing_minutes(polls("PAST", without=(3,), source="backfill")).values()) == {0}


# --- Airflow's own components


@pytest.fixture
def beat(metadata):
    """A function that writes the newest heartbeat of each component, seconds ago."""
    begin, tables = metadata
    jobs = tables["job"]

    def beat(**seconds: float) -> None:
        with begin() as database:
            database.execute(jobs.delete())
            for name, ago in seconds.items():
                now = datetime.now(UTC)
                at = now - timedelta(seconds=ago)
                row = {"state": "running", "start_date": at, "end_date": None, "executor_class": None}
                database.execute(jobs.insert().values(job_type=name, latest_heartbeat=at, hostname="h", **row))
                # One that has ended says nothing of the one that runs.
                gone = {**row, "state": "failed"}
                database.execute(jobs.insert().values(job_type=name, latest_heartbeat=now, hostname="h", **gone))

    yield beat
    beat()


def test_components_that_send_heartbeats_are_well(beat):
    beat(SchedulerJob=1, TriggererJob=60, DagProcessorJob=3)
    assert {name: seconds < 120 for name, seconds in quality.check_components().items()} == {
        "scheduler": True,
        "triggerer": True,
        "dag-processor": True,
    }


def test_a_triggerer_that_stands_still_is_named(beat):
    beat(SchedulerJob=1, TriggererJob=750, DagProcessorJob=3)
    with pytest.raises(quality.QualityError, match=r"are silent \(triggerer: newest heartbeat 75\d s ago\);"):
        quality.check_components()


def test_a_component_that_never_started_is_named(beat):
    beat(SchedulerJob=1, TriggererJob=2)
    with pytest.raises(quality.QualityError, match=r"\(dag-processor: none\)"):
        quality.check_components()
