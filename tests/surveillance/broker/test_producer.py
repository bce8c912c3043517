"""Publishing to a real Kafka: to the right partition, in order, and every loss is an error."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Consumer, TopicPartition

from include.surveillance import broker, wire
from include.surveillance.errors import BrokerError
from include.surveillance.records import NewsItem, Reject, Split, Watermark
from tests.surveillance.broker.messages import ALL_BARS, PARTITIONS, bar


def test_publish_routes_counts_keys_and_round_trips(kafka, unique):
    item = NewsItem(symbol=unique, article_id="a", published_ms=1, title="t")
    watermark = Watermark(symbol=unique, timespan="minute", from_ms=0, as_of_ms=1, bars=2)
    records = [bar(unique), bar(unique, close=10.6), watermark, item]
    positions = broker.read(kafka, {(t, p): None for t in (broker.BARS, broker.NEWS) for p in range(4)}).places

    assert broker.publish(kafka, records) == {broker.BARS: 3, broker.NEWS: 1}

    read = [message for message in broker.read(kafka, positions).messages if message.key == unique]
    bars = [message for message in read if message.topic == broker.BARS]
    assert [wire.decode(message.value) for message in bars] == records[:3], "in order"
    assert {message.partition for message in read} == {bars[0].partition}, "bars and news share a partition"
    assert all(message.timestamp_ms > 1_700_000_000_000 for message in read)


def test_a_record_carries_its_kind_as_header(kafka, unique):
    positions = broker.read(kafka, dict.fromkeys(ALL_BARS)).places
    broker.publish(kafka, [bar(unique)])
    (message,) = [m for m in broker.read(kafka, positions).messages if m.key == unique]
    consumer = Consumer({**kafka, "group.id": unique})
    consumer.assign([TopicPartition(message.topic, message.partition, message.offset)])
    assert consumer.poll(10).headers() == [("kind", b"bar")]
    consumer.close()


def test_symbols_spread_as_the_java_client_would(kafka, topic):
    # murmur2("21") and friends are fixed by Kafka's own DefaultPartitioner tests.
    positions = broker.read(kafka, dict.fromkeys(ALL_BARS)).places
    broker.publish(kafka, [bar(symbol) for symbol in ("21", "foobar")])
    chosen = {m.key: m.partition for m in broker.read(kafka, positions).messages if m.key in ("21", "foobar")}
    hashes = {"21": -973932308, "foobar": -790332482}
    assert chosen == {key: (value & 0x7FFFFFFF) % PARTITIONS for key, value in hashes.items()}


def test_a_record_that_kafka_refuses_names_topic_key_and_reason(kafka, unique):
    too_large = Reject(stage="normalise", reason="r", detail="d", raw=uuid.uuid4().hex * 600_000, symbol=unique)
    with pytest.raises(BrokerError, match=f"{broker.REJECTED} key {unique}|publish: .*large"):
        broker.publish(kafka, [too_large])


def test_threads_share_one_publisher_and_each_is_told_of_its_own(kafka, unique):
    def publish(number: int) -> dict[str, int]:
        raw = uuid.uuid4().hex * (600_000 if number == 3 else 1)
        reject = Reject(stage="normalise", reason=str(number), detail="d", raw=raw, symbol=unique)
        return publisher.publish([bar(f"{unique}{number}"), reject])

    positions = broker.read(kafka, dict.fromkeys(ALL_BARS)).places
    with broker.Publisher(kafka) as publisher, ThreadPoolExecutor(8) as pool:
        outcomes = [pool.submit(publish, number) for number in range(8)]
        assert [number for number, outcome in enumerate(outcomes) if outcome.exception()] == [3]
        assert all(it.result() == {broker.BARS: 1, broker.REJECTED: 1} for it in outcomes if not it.exception())
        assert publish(8) == {broker.BARS: 1, broker.REJECTED: 1}, "after an error it goes on"
    read = {message.key for message in broker.read(kafka, positions).messages}
    assert read >= {f"{unique}{number}" for number in range(9) if number != 3}


def test_baselines_keep_the_newest_split_of_each_event(kafka, unique):
    split = Split(symbol=unique, execution_date="2026-01-02", split_from=1, split_to=2)
    corrected = Split(symbol=unique, execution_date="2026-01-02", split_from=1, split_to=3)
    broker.publish(kafka, [split, corrected])
    assert wire.decode(broker.read_compacted(kafka, broker.BASELINES)[split.event_id]) == corrected
