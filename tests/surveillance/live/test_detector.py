"""One partition's micro-batches against a real Kafka: exactly once, and the same however they are cut."""

from __future__ import annotations

import logging
import threading

import msgspec
import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from include.surveillance import broker, wire
from include.surveillance.alerts.transcript import Transcript
from include.surveillance.cli import app
from include.surveillance.detection.shards import Shards
from include.surveillance.detection.state import State
from include.surveillance.errors import BrokerError
from include.surveillance.live import detector, intake
from include.surveillance.live.detector import positions_of
from include.surveillance.live.restore import name_message
from include.surveillance.places import Place
from include.surveillance.timespans import MINUTE_MS
from tests.integration.detecting import LITERAL
from tests.surveillance.detection.test_shards import mature
from tests.surveillance.live.partition_log import (
    OPEN,
    article,
    bar,
    detect,
    market,
    open_detector,
    outputs,
    read_settled,
    read_values,
    settle,
    snapshot,
)
from tests.surveillance.live.partition_log import partition as partition


def test_bars_and_news_become_metrics_and_explained_alerts(kafka, partition):
    broker.publish(kafka, market())
    summary = detect(kafka, partition)
    assert (summary.records, summary.bars, summary.metrics) == (152, 150, 150)
    assert summary.to_offsets == {broker.BARS: 151, broker.NEWS: 1}
    assert not summary.rebuilt
    alerts = [wire.decode(raw) for raw in read_values(kafka, partition, broker.ALERTS)]
    assert summary.alerts == len(alerts)
    assert {alert.rule for alert in alerts} >= {"abnormal_volume", "price_breakout", "news_impact", "feed_freshness"}
    assert len(read_values(kafka, partition, broker.METRICS)) == 150
    assert broker.lag(kafka, detector.GROUP, positions_of(partition)) == 0
    assert detect(kafka, partition).records == 0
    arguments = ["tail", "--kafka", kafka["bootstrap.servers"], "--no-follow", "--last", "100"]
    printed = CliRunner().invoke(app, arguments).output
    assert printed.splitlines() == Transcript().tell(alerts)


def test_parameters_are_published_when_they_are_first_used(kafka, partition):
    versions = [it.version for it in LITERAL.describe()]
    for _ in range(2):
        with open_detector(kafka, partition, LITERAL):
            pass
        told = [wire.decode(raw).version for raw in read_values(kafka, partition, broker.BASELINES)]
        assert told == versions
    other = LITERAL.replaced(session_reset=True)
    with open_detector(kafka, partition, other):
        pass
    told = [wire.decode(raw).version for raw in read_values(kafka, partition, broker.BASELINES)]
    assert told == versions + [it.version for it in other.describe()]
    broker.publish(kafka, market())
    detect(kafka, partition)
    alerts = [wire.decode(raw) for raw in read_values(kafka, partition, broker.ALERTS)]
    assert {it.parameters_version for it in alerts if it.rule == "abnormal_volume"} <= set(versions)


def test_many_small_batches_find_what_one_finds(kafka, partition):
    """The second run starts over on the same log."""
    broker.publish(kafka, market())
    detect(kafka, partition)
    whole, state = outputs(kafka, partition), snapshot(kafka, partition)
    broker.commit(kafka, detector.GROUP, dict.fromkeys(positions_of(partition), Place(0)))
    summary = detect(kafka, partition, limit=17)
    assert summary.records == 152
    twice = {topic: sorted(values * 2) for topic, values in whole.items()}
    assert outputs(kafka, partition) == twice
    assert snapshot(kafka, partition) == state


def test_a_rebuilt_state_meets_news_and_bars_in_the_order_in_which_they_came(kafka, partition):
    """The article comes behind the bars that it explains, so that their alerts are tagged again."""
    quiet_then_burst = [bar(k, 9_000 if k == 61 else 1_000) for k in range(1, 70)]
    for batch in (quiet_then_burst, [article(60)], [bar(k) for k in range(70, 100)]):
        broker.publish(kafka, batch)  # and wait until Kafka has stored it
    detect(kafka, partition)
    whole = outputs(kafka, partition)
    assert {wire.decode(raw).status for raw in whole[broker.ALERTS]} >= {"fired", "retagged"}
    broker.commit(kafka, detector.GROUP, dict.fromkeys(positions_of(partition), Place(0)))
    assert detect(kafka, partition).rebuilt
    assert outputs(kafka, partition) == {topic: sorted(values * 2) for topic, values in whole.items()}


def test_a_backlog_is_worked_off_in_steps(kafka, partition):
    """Each call leaves everything committed, and together they find what one finds."""
    broker.publish(kafka, market())
    steps = []
    while (step := detect(kafka, partition, limit=50, seconds=0)).records:
        steps.append(step)
        assert broker.lag(kafka, detector.GROUP, positions_of(partition)) == 152 - sum(it.records for it in steps)
    assert len(steps) >= 3
    assert len({wire.decode(raw).event_id for raw in read_values(kafka, partition, broker.METRICS)}) == 150


def test_killed_between_produce_and_commit_leaves_no_trace_and_the_rerun_is_exactly_once(kafka, partition, monkeypatch):
    broker.publish(kafka, market())
    sent = []

    class Killed(BaseException):
        """Not an Exception: nothing may catch it on the way."""

    def die(self, places):
        self.flush()
        sent.append(dict(self.sent))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(broker.Transaction, "add_places", die)
        with pytest.raises(Killed):
            detect(kafka, partition)
    assert sent[0][broker.METRICS] == 150  # it had all been stored
    assert all(not values for values in outputs(kafka, partition).values())
    assert snapshot(kafka, partition) is None
    summary = detect(kafka, partition)
    assert (summary.metrics, summary.rebuilt) == (150, False)
    metrics = [wire.decode(raw).event_id for raw in read_values(kafka, partition, broker.METRICS)]
    assert len(metrics) == len(set(metrics)) == 150


def test_what_cannot_be_used_is_rejected_in_the_same_transaction(kafka, partition):
    producer = Producer(kafka)
    negative = wire.encode(bar(1)).replace(b'"low":99.5', b'"low":-1.0')
    for value in (b"not json", b"\xff\xfe", negative):
        producer.produce(broker.BARS, value=value, key="NVDA", partition=partition)
    producer.flush(10)
    broker.publish(kafka, [bar(2)])
    summary = detect(kafka, partition)
    assert (summary.records, summary.metrics, summary.rejected) == (5, 2, 3)
    rejects = [wire.decode(raw) for raw in read_values(kafka, partition, broker.REJECTED)]
    assert [(it.reason, it.encoding) for it in rejects] == [
        ("not a surveillance record", "utf-8"),
        ("not a surveillance record", "base64"),
        ("price not positive", "utf-8"),
    ]
    assert rejects[0].raw == "not json"
    assert f"{broker.BARS}[{partition}] offset 1" in rejects[0].detail


def test_a_correction_is_told_under_the_id_that_was(kafka, partition):
    broker.publish(kafka, [bar(minute) for minute in range(1, 20)])
    for volume in (9000, 9500, 1000):
        broker.publish(kafka, [bar(20, volume)])
        summary = detect(kafka, partition)
        assert (summary.alerts, summary.late) == (1, 0 if volume == 9000 else 1)
    alerts = [wire.decode(raw) for raw in read_values(kafka, partition, broker.ALERTS)]
    assert [(it.status, it.before_value) for it in alerts] == [
        ("fired", None),
        ("confirmed", 9000),
        ("retracted", 9500),
    ]
    assert len({it.event_id for it in alerts}) == 1


def test_a_zombie_is_fenced(kafka, partition, monkeypatch):
    """While one run works, another takes the partition over: the first fails and stores nothing."""
    broker.publish(kafka, market())
    add_places = broker.Transaction.add_places

    def taken_over(self, places):
        monkeypatch.setattr(broker.Transaction, "add_places", add_places)
        assert detect(kafka, partition).metrics == 150
        add_places(self, places)

    monkeypatch.setattr(broker.Transaction, "add_places", taken_over)
    with pytest.raises(BrokerError, match="taken over"):
        detect(kafka, partition)
    assert len(read_values(kafka, partition, broker.METRICS)) == 150


def test_a_batch_that_does_not_move_on_is_left_for_later(kafka, partition, monkeypatch):
    with monkeypatch.context() as broken:
        nowhere = broker.Batch([], dict.fromkeys(positions_of(partition), Place(0)))
        broken.setattr(intake.Intake, "read", lambda *_: nowhere)
        assert detect(kafka, partition).records == 0
    assert detect(kafka, partition).bars == 1


def test_batches_of_a_detector_that_stays_find_what_one_batch_finds(kafka, partition):
    """A message at a time, a few, and none at all; then the whole log once more by another."""
    records = market()
    with open_detector(kafka, partition) as resident:
        counts = resident.step()
        for start, end in ((0, 1), (1, 40), (40, 40), (40, 110), (110, len(records))):
            broker.publish(kafka, records[start:end])
            counts += resident.step()
        assert resident.offsets == {broker.BARS: 151, broker.NEWS: 1}
    assert (counts["records"], counts["bars"], counts["metrics"]) == (152, 150, 150)
    broker.commit(kafka, detector.GROUP, dict.fromkeys(positions_of(partition), Place(0)))
    apart, state = outputs(kafka, partition), snapshot(kafka, partition)
    detect(kafka, partition)
    assert outputs(kafka, partition) == {topic: sorted(values * 2) for topic, values in apart.items()}
    assert snapshot(kafka, partition) == state


def test_a_detector_waits_for_the_first_message_and_commits_nothing_when_none_comes(kafka, partition):
    with open_detector(kafka, partition) as resident:
        assert resident.step(5)["bars"] == 1
        ends = read_settled(kafka, partition, broker.DETECTOR_STATE).places
        assert not any(resident.step(0.5).values())
        assert read_settled(kafka, partition, broker.DETECTOR_STATE).places == ends
        later = threading.Timer(1, broker.publish, (kafka, [article(1)]))
        later.start()
        assert resident.step(30)["records"] == 1
        later.join()


def test_a_detector_that_lost_its_partition_stores_nothing_and_is_of_no_more_use(kafka, partition):
    with open_detector(kafka, partition) as first:
        first.step()
        broker.publish(kafka, market())
        with open_detector(kafka, partition) as second:
            with pytest.raises(BrokerError, match="another process has taken over"):
                first.step()
            assert second.step()["bars"] == 149
        with pytest.raises(BrokerError, match="has failed before"):
            first.step()
    metrics = [wire.decode(raw).event_id for raw in read_values(kafka, partition, broker.METRICS)]
    assert len(metrics) == len(set(metrics)) == 150


def test_an_alert_says_in_headers_where_its_delay_comes_from(kafka, partition):
    broker.publish(kafka, [bar(minute) for minute in range(1, 20)])
    detect(kafka, partition)
    broken, burst = b"not json", msgspec.structs.replace(bar(20, 9000), polled_ms=OPEN + 21 * MINUTE_MS + 2_000)
    with broker.transaction(kafka, "intruder", "other") as transaction:
        transaction.send_raw(broker.BARS, broken, key="NVDA", partition=partition)
        transaction.send(burst, partition=partition)
    detect(kafka, partition)
    stored = broker.read(kafka, {(broker.BARS, partition): None}).messages[-1]
    assert stored.value == wire.encode(burst)
    (alert,) = read_settled(kafka, partition, broker.ALERTS, headers=True).messages
    stamps = {name: int(value) for name, value in alert.headers.items() if name != "kind"}
    assert alert.headers["kind"] == "alert"
    assert (stamps["polled_ms"], stamps["appended_ms"]) == (burst.polled_ms, stored.timestamp_ms)
    assert stored.timestamp_ms <= stamps["detected_ms"] <= alert.timestamp_ms


def test_a_state_of_forty_mebibytes_is_stored_restored_and_only_what_changes_is_stored_again(kafka, partition, caplog):
    detect(kafka, partition)
    grown = mature(11_000)
    grown.places = State.from_bytes(snapshot(kafka, partition)).places
    with broker.transaction(kafka, f"detector-{partition}", "other") as transaction:
        for name, value in Shards().update(grown, []).items():
            key = name_message(partition, name)
            transaction.send_raw(broker.DETECTOR_STATE, value, key=key, partition=partition)
    with caplog.at_level(logging.INFO, detector.__name__), open_detector(kafka, partition) as resident:
        assert not resident.rebuilt
        assert "11,000 series, snapshot of 4" in caplog.text
        end = read_settled(kafka, partition, broker.DETECTOR_STATE, limit=10**6).places
        broker.publish(kafka, [bar(1)])
        assert resident.step(10)["bars"] == 1
        settle(kafka, (broker.DETECTOR_STATE, partition))
        written = broker.read(kafka, end).messages
        # A shard, the head; and the one shard from before the state had grown is deleted.
        assert [message.key for message in written if message.value is None] == [f"{partition}/minute-0-of-1"]
        assert len(written) == 3
        assert sum(len(message.value or b"") for message in written) < 2 * 2**20


def test_a_message_that_comes_near_to_what_kafka_takes_is_warned_of_once(kafka, partition, monkeypatch, caplog):
    monkeypatch.setattr(broker, "LARGEST_MESSAGE", 500)
    with open_detector(kafka, partition) as resident:
        resident.step()
        broker.publish(kafka, [bar(1)])
        resident.step(10)
    (warning,) = [message for message in caplog.messages if "Kafka takes 0.0 MB a message" in message]
    assert "shard minute-0-of-1 of the state's snapshot" in warning
