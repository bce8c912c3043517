"""The broker module against a real Kafka: what mocks get wrong is exactly what is asked here."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from include.surveillance import broker, wire
from include.surveillance.errors import BrokerError, ConfigurationError
from include.surveillance.records import Bar, NewsItem, Reject, Split, Watermark

PARTITIONS = 4
ALL_BARS = [(broker.BARS, partition) for partition in range(PARTITIONS)]


@pytest.fixture(scope="module", autouse=True)
def _topics(kafka):
    broker.ensure_topics(kafka, PARTITIONS)


@pytest.fixture
def topic(kafka) -> str:
    """A topic with one partition that no other test touches."""
    return _new_topic(kafka)


def _new_topic(kafka, **config: str) -> str:
    name = f"test.{uuid.uuid4().hex[:8]}"
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(10)
    for attempt in Retrying(retry=retry_if_exception_type(BrokerError), stop=stop_after_delay(20), reraise=True):
        with attempt:  # creation is answered before the topic can be read
            broker.read(kafka, {(name, 0): None})
    return name


@pytest.fixture
def unique() -> str:
    return uuid.uuid4().hex[:8]


def bar(symbol: str = "MSFT", ts_ms: int = 1_550_000_000_000, close: float = 10.5) -> Bar:
    return Bar(
        symbol=symbol, timespan="minute", ts_ms=ts_ms, open=10, high=11, low=9, close=close, volume=Decimal("12.5")
    )


def write(kafka, topic: str, *values: bytes | None, key: str = "k", abort: bool = False) -> None:
    with suppress(InterruptedError), broker.transaction(kafka, f"writer-{topic}", "g") as ongoing:
        for value in values:
            ongoing.send_raw(topic, value, key=key, partition=0)
        if abort:
            ongoing.outbox.flush()  # else what is still queued never reaches Kafka
            raise InterruptedError
    settle(kafka, f"writer-{topic}")


def settle(kafka, transactional_id: str) -> None:
    """Kafka answers a commit before its markers are written; the id's next transaction waits for them."""
    with broker.transaction(kafka, transactional_id, "g"):
        pass


def values(batch: broker.Batch) -> list[bytes | None]:
    return [message.value for message in batch.messages]


# --- topics


def test_ensure_topics_creates_nothing_the_second_time(kafka):
    assert broker.ensure_topics(kafka, PARTITIONS) == []


def test_ensure_topics_refuses_to_move_symbols_to_other_partitions(kafka):
    with pytest.raises(ConfigurationError, match="KAFKA_PARTITIONS=4"):
        broker.ensure_topics(kafka, 8)


@pytest.mark.parametrize("name", [broker.DETECTOR_STATE, broker.BASELINES])
def test_state_topics_are_compacted_and_take_large_snapshots(kafka, name):
    resource = ConfigResource(ResourceType.TOPIC, name)
    admin = AdminClient(kafka)  # a client that is collected takes its futures with it
    config = admin.describe_configs([resource])[resource].result(10)
    assert config["cleanup.policy"].value == "compact"
    assert int(config["max.message.bytes"].value) == 16 * 1024 * 1024


def test_a_topic_of_an_older_version_gets_the_retention_of_this_one(kafka):
    admin, old = AdminClient(kafka), ConfigResource(ResourceType.TOPIC, broker.METRICS)
    for name, value in (("retention.ms", "1000000"), ("segment.ms", "7200000")):
        old.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
    admin.incremental_alter_configs([old])[old].result()
    assert broker.configure_topics(kafka) == [broker.METRICS]
    assert broker.configure_topics(kafka) == []
    topic = ConfigResource(ResourceType.TOPIC, broker.METRICS)
    found = admin.describe_configs([topic])[topic].result()
    assert found["retention.ms"].value == str(7 * 86_400_000)
    assert found["segment.ms"].value == "7200000"  # an operator's own


def test_unreachable_kafka_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("include.surveillance.broker.topics.TIMEOUT_SECONDS", 0.5)
    with pytest.raises(BrokerError, match=r"Kafka at 127.0.0.1:9 does not answer.*kafka_default"):
        broker.ensure_topics({"bootstrap.servers": "127.0.0.1:9"}, PARTITIONS)


# --- publish


def test_publish_routes_counts_keys_and_round_trips(kafka, unique):
    item = NewsItem(symbol=unique, article_id="a", published_ms=1, title="t")
    watermark = Watermark(symbol=unique, timespan="minute", from_ms=0, as_of_ms=1, bars=2)
    records = [bar(unique), bar(unique, close=10.6), watermark, item]
    positions = broker.read(kafka, {(t, p): None for t in (broker.BARS, broker.NEWS) for p in range(4)}).next_offsets

    assert broker.publish(kafka, records) == {broker.BARS: 3, broker.NEWS: 1}

    read = [message for message in broker.read(kafka, positions).messages if message.key == unique]
    bars = [message for message in read if message.topic == broker.BARS]
    assert [wire.decode(message.value) for message in bars] == records[:3], "in order"
    assert {message.partition for message in read} == {bars[0].partition}, "bars and news share a partition"
    assert all(message.timestamp_ms > 1_700_000_000_000 for message in read)


def test_a_record_carries_its_kind_as_header(kafka, unique):
    positions = broker.read(kafka, dict.fromkeys(ALL_BARS)).next_offsets
    broker.publish(kafka, [bar(unique)])
    (message,) = [m for m in broker.read(kafka, positions).messages if m.key == unique]
    consumer = Consumer({**kafka, "group.id": unique})
    consumer.assign([TopicPartition(message.topic, message.partition, message.offset)])
    assert consumer.poll(10).headers() == [("kind", b"bar")]
    consumer.close()


def test_symbols_spread_as_the_java_client_would(kafka, topic):
    # murmur2("21") and friends are fixed by Kafka's own DefaultPartitioner tests.
    positions = broker.read(kafka, dict.fromkeys(ALL_BARS)).next_offsets
    broker.publish(kafka, [bar(symbol) for symbol in ("21", "foobar")])
    found = {m.key: m.partition for m in broker.read(kafka, positions).messages if m.key in ("21", "foobar")}
    hashes = {"21": -973932308, "foobar": -790332482}
    assert found == {key: (value & 0x7FFFFFFF) % PARTITIONS for key, value in hashes.items()}


def test_a_record_that_kafka_refuses_names_topic_key_and_reason(kafka, unique):
    too_large = Reject(stage="normalise", reason="r", detail="d", raw=uuid.uuid4().hex * 600_000, symbol=unique)
    with pytest.raises(BrokerError, match=f"{broker.REJECTED} key {unique}|publish: .*large"):
        broker.publish(kafka, [too_large])


def test_threads_share_one_publisher_and_each_is_told_of_its_own(kafka, unique):
    def publish(number: int) -> dict[str, int]:
        raw = uuid.uuid4().hex * (600_000 if number == 3 else 1)
        reject = Reject(stage="normalise", reason=str(number), detail="d", raw=raw, symbol=unique)
        return publisher.publish([bar(f"{unique}{number}"), reject])

    positions = broker.read(kafka, dict.fromkeys(ALL_BARS)).next_offsets
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


# --- read


def test_an_empty_partition_reads_as_nothing(kafka, topic):
    assert broker.read(kafka, {(topic, 0): None}) == broker.Batch([], {(topic, 0): 0})


def test_next_offset_lies_past_transaction_markers(kafka, topic):
    write(kafka, topic, b"1", b"2")
    batch = broker.read(kafka, {(topic, 0): None})
    assert values(batch) == [b"1", b"2"]
    assert batch.next_offsets == {(topic, 0): 3}, "two messages and a commit marker"
    assert broker.read(kafka, batch.next_offsets) == broker.Batch([], {(topic, 0): 3})


def test_aborted_records_are_invisible_and_skipped(kafka, topic):
    write(kafka, topic, b"no", abort=True)
    batch = broker.read(kafka, {(topic, 0): None})
    assert batch == broker.Batch([], {(topic, 0): 2})
    write(kafka, topic, b"yes")
    assert values(broker.read(kafka, batch.next_offsets)) == [b"yes"]


def test_an_open_transaction_is_invisible(kafka, topic):
    with broker.transaction(kafka, f"open-{topic}", "g") as ongoing:
        ongoing.send_raw(topic, b"soon", key="k")
        ongoing.outbox.flush()
        assert broker.read(kafka, {(topic, 0): None}) == broker.Batch([], {(topic, 0): 0})
    settle(kafka, f"open-{topic}")
    assert values(broker.read(kafka, {(topic, 0): None})) == [b"soon"]


def test_limit_cuts_and_the_rest_follows(kafka, topic):
    write(kafka, topic, *(str(n).encode() for n in range(10)))
    first = broker.read(kafka, {(topic, 0): None}, limit=4)
    second = broker.read(kafka, first.next_offsets)
    assert len(first.messages) == 4
    assert values(first) + values(second) == [str(n).encode() for n in range(10)]


def test_several_partitions_each_reach_their_end(kafka, topic):
    other = _new_topic(kafka)
    write(kafka, topic, b"a")
    batch = broker.read(kafka, {(topic, 0): None, (other, 0): None})
    assert values(batch) == [b"a"]
    assert batch.next_offsets == {(topic, 0): 2, (other, 0): 0}


def test_an_offset_past_the_end_is_an_error(kafka, topic):
    with pytest.raises(BrokerError, match=r"offset 7 .* past its end 0.*made anew"):
        broker.read(kafka, {(topic, 0): 7})


def test_a_missing_topic_names_the_way_out(kafka):
    with pytest.raises(BrokerError, match="bootstrap_platform"):
        broker.read(kafka, {("test.absent", 0): None})


# --- offsets and lag


def test_lag_counts_from_the_oldest_without_a_commit_and_is_zero_at_the_end(kafka, topic):
    group = f"group-{topic}"
    write(kafka, topic, b"1", b"2")
    assert broker.committed(kafka, group, [(topic, 0)]) == {(topic, 0): None}
    assert broker.lag(kafka, group, [(topic, 0)]) == 3

    broker.commit(kafka, group, broker.read(kafka, {(topic, 0): None}).next_offsets)

    assert broker.committed(kafka, group, [(topic, 0)]) == {(topic, 0): 3}
    with broker.LagProbe(kafka, group, [(topic, 0)]) as probe:
        assert probe.lag() == 0
        write(kafka, topic, b"3")
        assert probe.lag() == 2


# --- transactions


def test_records_and_offsets_commit_together(kafka, topic):
    group, source = f"group-{topic}", _new_topic(kafka)
    write(kafka, source, b"in")
    with broker.transaction(kafka, f"detector-{topic}", group) as ongoing:
        batch = broker.read(kafka, {(source, 0): None})
        ongoing.send_raw(topic, b"out", key="k")
        ongoing.add_offsets(batch.next_offsets)
    settle(kafka, f"detector-{topic}")
    assert values(broker.read(kafka, {(topic, 0): None})) == [b"out"]
    assert broker.committed(kafka, group, [(source, 0)]) == {(source, 0): 2}
    assert broker.lag(kafka, group, [(source, 0)]) == 0


def test_an_exception_undoes_records_and_offsets(kafka, topic):
    group, source = f"group-{topic}", _new_topic(kafka)
    write(kafka, source, b"in")

    def fail():
        with broker.transaction(kafka, f"detector-{topic}", group) as ongoing:
            ongoing.send_raw(topic, b"out", key="k")
            ongoing.add_offsets({(source, 0): 2})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert values(broker.read(kafka, {(topic, 0): None})) == []
    assert broker.committed(kafka, group, [(source, 0)]) == {(source, 0): None}


def test_a_zombie_is_fenced_and_leaves_nothing(kafka, topic):
    def zombie():
        with broker.transaction(kafka, f"detector-{topic}", "g") as ongoing:
            ongoing.send_raw(topic, b"zombie", key="k")
            write_as_successor()
            ongoing.send_raw(topic, b"zombie again", key="k")

    def write_as_successor():
        with broker.transaction(kafka, f"detector-{topic}", "g") as ongoing:
            ongoing.send_raw(topic, b"successor", key="k")

    with pytest.raises(BrokerError, match=rf"transaction detector-{topic}: another process has taken over"):
        zombie()
    settle(kafka, f"detector-{topic}")
    assert values(broker.read(kafka, {(topic, 0): None})) == [b"successor"]


def test_an_idle_zombie_cannot_commit_offsets(kafka, topic):
    group = f"group-{topic}"
    write(kafka, topic, b"1", b"2")

    def consume(offset: int, meanwhile=lambda: None):
        with broker.transaction(kafka, f"detector-{topic}", group) as ongoing:
            ongoing.add_offsets({(topic, 0): offset})
            meanwhile()

    with pytest.raises(BrokerError, match="another process has taken over"):
        consume(1, meanwhile=lambda: consume(3))
    settle(kafka, f"detector-{topic}")
    assert broker.committed(kafka, group, [(topic, 0)]) == {(topic, 0): 3}


# --- compacted topics


@pytest.mark.parametrize("aborted", [0, 1, 6])
def test_last_value_looks_behind_markers_and_aborted_tails(kafka, topic, aborted):
    assert broker.last_value(kafka, topic, 0) is None
    write(kafka, topic, b"old")
    write(kafka, topic, b"newest")
    for _ in range(aborted):
        write(kafka, topic, b"aborted", abort=True)
    assert broker.last_value(kafka, topic, 0) == b"newest"


def test_last_value_brings_a_large_snapshot(kafka):
    topic = _new_topic(kafka, **{"max.message.bytes": str(16 * 1024 * 1024), "cleanup.policy": "compact"})
    snapshot = uuid.uuid4().bytes * 500_000
    write(kafka, topic, snapshot)
    assert broker.last_value(kafka, topic, 0) == snapshot


def test_read_compacted_takes_the_newest_of_each_key_and_drops_deleted_ones(kafka, topic):
    write(kafka, topic, b"1", b"2", key="kept")
    write(kafka, topic, b"3", None, key="deleted")
    assert broker.read_compacted(kafka, topic) == {"kept": b"2"}
