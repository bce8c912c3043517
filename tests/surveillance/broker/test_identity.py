"""Places whose log is another one by now: made anew, shorter, grown again or with more partitions, in a real Kafka."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from include.local_stack import kafka as kafka_broker
from include.surveillance import broker
from include.surveillance.broker import Identities, Kafka, resume
from include.surveillance.errors import BrokerError, LogBrokenError
from include.surveillance.places import Cause, Place
from tests import segments
from tests.conftest import JARS, free_port, service
from tests.surveillance.broker.messages import values

patiently = retry(retry=retry_if_exception_type(BrokerError), wait=wait_fixed(0.2), stop=stop_after_delay(30))


def fill(kafka: Kafka, topic: str, *values: str) -> None:
    """Append messages without a transaction, so that each has one offset."""
    producer = Producer(dict(kafka))
    for value in values:
        producer.produce(topic, value.encode(), partition=0)
    producer.flush(30)


def fill_in_transactions(kafka: Kafka, topic: str, *values: str) -> None:
    """Append messages in a transaction each, whose end has an offset, too."""
    producer = Producer(dict(kafka) | {"transactional.id": f"fill {topic}"})
    producer.init_transactions(30)
    for value in values:
        producer.begin_transaction()
        producer.produce(topic, value.encode(), partition=0)
        producer.commit_transaction(30)


def make_anew(kafka: Kafka, topic: str, partitions: int = 1) -> None:
    admin, former = AdminClient(dict(kafka)), Identities(kafka)([topic])[topic]
    admin.delete_topics([topic], operation_timeout=15)[topic].result()

    @retry(wait=wait_fixed(0.2), stop=stop_after_delay(30))
    def create():
        config = {"message.timestamp.type": "LogAppendTime"}
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)], operation_timeout=15)[topic].result()

    create()
    patiently(broker.read)(kafka, {(topic, partition): None for partition in range(partitions)})
    assert Identities(kafka)([topic])[topic].topic_id != former.topic_id


def names(count: int, word: str) -> list[str]:
    return [f"{word}{number}" for number in range(count)]


class TestATopicMadeAnew:
    @pytest.mark.parametrize("grown", [0, 40, 150], ids=["empty", "shorter", "longer"])
    def test_is_read_from_its_beginning_however_long_it_is(self, kafka, topic, grown):
        fill(kafka, topic, *names(100, "old"))
        stored = broker.read(kafka, {(topic, 0): None}).places
        make_anew(kafka, topic)
        fill(kafka, topic, *names(grown, "new"))
        with pytest.raises(LogBrokenError, match=f"topic {topic} was made anew; offset 100 was of the former one"):
            broker.read(kafka, stored)
        places, (found,) = resume(kafka, stored)
        assert (found.topic, found.partition, found.cause) == (topic, 0, Cause.MADE_ANEW)
        batch = broker.read(kafka, places)
        assert values(batch) == [value.encode() for value in names(grown, "new")]
        assert resume(kafka, batch.places) == (batch.places, []), "it is noticed once"

    def test_is_noticed_by_a_reader_that_is_kept_open(self, kafka, topic):
        fill(kafka, topic, *names(10, "old"))
        with broker.Bounds(kafka) as bounds, broker.Reader(kafka, {(topic, 0): None}, bounds=bounds) as reader:
            assert len(reader.read().messages) == 10
            make_anew(kafka, topic)
            fill(kafka, topic, *names(20, "new"))
            with pytest.raises(LogBrokenError, match="made anew"):
                reader.read()

    def test_leaves_the_lag_unknown(self, kafka, topic):
        fill(kafka, topic, *names(10, "old"))
        broker.commit(kafka, f"group-{topic}", broker.read(kafka, {(topic, 0): None}).places)
        with broker.LagProbe(kafka, f"group-{topic}", [(topic, 0)]) as probe:
            assert probe.lag() == 0
            # Kafka forgets the offsets of a topic that is deleted; a restored copy or another cluster has them still.
            stored = broker.committed(kafka, f"group-{topic}", [(topic, 0)])
            make_anew(kafka, topic)
            broker.commit(kafka, f"group-{topic}", stored)
            fill(kafka, topic, *names(20, "new"))
            with pytest.raises(LogBrokenError, match="made anew"):
                probe.lag()


class TestAnOffsetPastTheEnd:
    def test_leaves_the_lag_unknown(self, kafka, topic):
        broker.commit(kafka, f"group-{topic}", {(topic, 0): Place(5_000)})
        with pytest.raises(LogBrokenError, match="those from 0 to 5000"):
            broker.lag(kafka, f"group-{topic}", [(topic, 0)])

    def test_of_an_unknown_epoch_goes_on_at_the_beginning(self, kafka, topic):
        fill(kafka, topic, "a", "b")
        places, (found,) = resume(kafka, {(topic, 0): Place(5_000)})
        assert (found.cause, places[topic, 0].offset) == (Cause.TAIL_LOST, 0)


class TestMorePartitions:
    def test_are_noticed_by_whoever_knows_their_number(self, kafka, topic):
        fill(kafka, topic, "a")
        stored = broker.read(kafka, {(topic, 0): None}).places
        broker.commit(kafka, f"group-{topic}", stored)
        with broker.Bounds(kafka) as bounds, broker.Reader(kafka, stored, bounds=bounds) as reader:
            admin = AdminClient(kafka)
            admin.create_partitions([NewPartitions(topic, 3)], operation_timeout=15)[topic].result()
            with pytest.raises(LogBrokenError, match=f"topic {topic} had 1 partitions and has 3 now"):
                _until_raised(reader.read)
        with pytest.raises(LogBrokenError):
            broker.lag(kafka, f"group-{topic}", [(topic, 0)])
        places, (found,) = resume(kafka, stored)
        assert (found.cause, places) == (Cause.PARTITIONS_ADDED, {(topic, 0): stored[topic, 0]._replace(partitions=3)})
        assert broker.read(kafka, places).messages == [], "the messages of before are not read again"


def _until_raised(read) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        read()


def test_a_place_of_an_earlier_version_is_believed(kafka, topic):
    fill(kafka, topic, "a", "b")
    assert resume(kafka, {(topic, 0): Place(1)}) == ({(topic, 0): Place(1)}, [])
    assert values(broker.read(kafka, {(topic, 0): Place(1)})) == [b"b"]


def test_what_retention_has_removed_is_no_break(kafka, topic):
    fill(kafka, topic, *names(10, "a"))
    place = broker.read(kafka, {(topic, 0): None}, limit=3).places[topic, 0]
    admin = AdminClient(kafka)
    for removed in admin.delete_records([TopicPartition(topic, 0, 6)]).values():
        removed.result()
    assert resume(kafka, {(topic, 0): place}) == ({(topic, 0): place}, [])
    assert values(broker.read(kafka, {(topic, 0): place})) == [b"a6", b"a7", b"a8", b"a9"]


class OwnBroker:
    """A broker whose files the tests may cut."""

    TOPIC = "cut"

    def __init__(self, folder: Path):
        self.folder, port = folder, free_port()
        kafka_broker.prepare(folder, JARS, port, free_port())
        self.kafka: Kafka = {"bootstrap.servers": f"127.0.0.1:{port}"}

    @contextmanager
    def running(self) -> Iterator[Kafka]:
        address = str(self.kafka["bootstrap.servers"])
        with service(
            kafka_broker.command(self.folder, JARS), lambda: kafka_broker.answers(address), self.folder / "log"
        ):
            yield self.kafka

    def lose_tail(self, size: int) -> None:
        segments.lose_tail(self.folder / "data", self.segment, size)

    @property
    def segment(self) -> Path:
        return segments.newest_segment(self.folder / "data", self.TOPIC, 0)


class FetchedWithTheEnd:
    """Stands in for a reader's consumer: hands over at once so many messages of it, the partition's end behind them."""

    def __init__(self, consumer: Consumer, messages: int):
        self.close = consumer.close
        self.fetched: list[Message] = []
        while sum(not it.error() for it in self.fetched) < messages or not self.fetched[-1].error():
            arrived = consumer.consume(1, 30)
            assert arrived, "nothing came in 30 s"
            self.fetched += arrived

    def poll(self, _: float) -> Message:
        return self.fetched.pop(0)

    def consume(self, count: int, _: float) -> list[Message]:
        taken, self.fetched = self.fetched[:count], self.fetched[count:]
        return taken


@pytest.fixture
def own(tmp_path, kafka) -> OwnBroker:
    return OwnBroker(tmp_path / "kafka")


def test_a_lost_tail_is_noticed_before_and_after_it_has_grown_again(own):
    topic = own.TOPIC
    with own.running() as kafka:
        admin = AdminClient(dict(kafka))
        admin.create_topics([NewTopic(topic, 1, 1)], operation_timeout=15)[topic].result()
        patiently(broker.read)(kafka, {(topic, 0): None})
        fill(kafka, topic, *names(40, "kept"))
        kept = own.segment.stat().st_size
        before = broker.read(kafka, {(topic, 0): None}).places
        fill(kafka, topic, *names(60, "lost"))
        stored = broker.read(kafka, before).places
        broker.commit(kafka, "group", stored)
        assert stored[topic, 0].offset == 100
    with own.running() as kafka:
        # A restart alone is no break, though the epoch rises.
        patiently(broker.read)(kafka, stored)
        assert resume(kafka, stored) == (stored, [])
        with broker.Bounds(kafka) as bounds, broker.Reader(kafka, stored, bounds=bounds) as reader:
            assert not reader.wait(1)
            fill_in_transactions(kafka, topic, *names(5, "lost, too, "))
            reader._consumer = FetchedWithTheEnd(reader._consumer, 5)
            assert len(reader.read().messages) == 5
            places = reader.places
        assert places[topic, 0].epoch > stored[topic, 0].epoch
        assert resume(kafka, places) == (places, []), "what was read since the start is of the later epoch"
    own.lose_tail(kept)
    with own.running() as kafka:
        patiently(broker.read)(kafka, {(topic, 0): None})
        with pytest.raises(LogBrokenError, match="those from 40 to 100"):
            broker.lag(kafka, "group", [(topic, 0)])
        for grown in (0, 20, 80):
            fill(kafka, topic, *names(grown, f"{grown} later "))
            places, (found,) = resume(kafka, stored)
            assert (found.cause, places[topic, 0].offset) == (Cause.TAIL_LOST, 40)
        with pytest.raises(LogBrokenError, match="those from 40 to 100"):
            broker.read(kafka, stored)
        again = broker.read(kafka, places)
        assert len(again.messages) == 100
        assert resume(kafka, again.places) == (again.places, [])
        assert resume(kafka, before) == (before, []), "who had read less has lost nothing"
        assert len(broker.read(kafka, before).messages) == 100


def test_the_files_of_a_broker_say_when_each_batch_was_stored(kafka, topic, folder):
    for value in ("a", "b", "c"):
        fill(kafka, topic, value)
    stored = [message.timestamp_ms for message in broker.read(kafka, {(topic, 0): None}).messages]
    segment = segments.newest_segment(folder / "kafka" / "data", topic, 0)
    first, *others = segments.read_batches(segment)
    assert [batch.stored_ms for batch in (first, *others)] == stored
    assert first.position == 0 < others[0].position < others[1].position < segment.stat().st_size
