"""A partition in a file and back: the same messages, and for each place in the old log the one in the new."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from include.surveillance import broker
from include.surveillance.broker.client import new_consumer, read_bounds
from include.surveillance.broker.copies import Renumbering, copy_partition, restore_partition
from include.surveillance.errors import BrokerError
from include.surveillance.places import Place, TopicIdentity
from tests.surveillance.broker.messages import new_topic, write


def read_raw(kafka, topic: str) -> list[tuple]:
    """Every committed message with all that Kafka has of it; the offset last."""
    with new_consumer(kafka, "raw", **{"enable.partition.eof": True}) as consumer:
        low, _ = read_bounds(consumer, (topic, 0))
        consumer.assign([TopicPartition(topic, 0, low)])
        seen = []
        while not (message := consumer.poll(30)).error():
            seen.append((message.key(), message.value(), message.headers(), message.timestamp()[1], message.offset()))
        return seen


@pytest.fixture
def old(kafka) -> str:
    """A topic that has lost its beginning, with what was undone in it, deletions, and bytes that are no text."""
    topic = new_topic(kafka)
    write(kafka, topic, b"deleted", b"deleted too")
    admin, at = AdminClient(kafka), TopicPartition(topic, 0, 2)  # a client that is collected takes its futures with it
    admin.delete_records([at])[at].result()
    write(kafka, topic, b"one", None, b"")
    write(kafka, topic, b"undone", abort=True)
    producer = Producer(kafka)
    producer.produce(topic, b"\xff\x00", b"\xfe key", headers=[("a", b"\xff"), ("a", None), ("b", b"")])
    producer.produce(topic, b"no key")
    producer.flush(10)
    write(kafka, topic, b"last", b"x" * 2_000_000)
    return topic


@pytest.fixture
def restored(kafka, old, tmp_path):
    """The same messages in a topic whose times come with them, and how its places are found."""
    _, end = broker.Bounds(kafka)((old, 0))
    topic, file = new_topic(kafka, **{"message.timestamp.type": "CreateTime"}), tmp_path / "old"
    assert copy_partition(kafka, (old, 0), end, file) == 7
    restore_partition(kafka, (topic, 0), file)
    identities = broker.Identities(kafka)([old, topic])
    return topic, Renumbering.of_file(identities[old], identities[topic], file)


def test_a_restored_partition_has_the_same_messages_at_the_same_times(kafka, old, restored):
    topic, _ = restored
    before, after = read_raw(kafka, old), read_raw(kafka, topic)
    assert [message[:-1] for message in after] == [message[:-1] for message in before]
    assert [message[-1] for message in after] == list(range(7))


def test_each_place_moves_to_the_same_next_message(kafka, old, restored):
    topic, renumbering = restored
    _, end = broker.Bounds(kafka)((old, 0))
    now = broker.Identities(kafka)([topic])[topic]
    before, after = read_raw(kafka, old), read_raw(kafka, topic)
    for offset in range(end + 1):
        moved = renumbering.move(Place(offset, renumbering.before.topic_id, 1, 5))
        assert (moved.identity, moved.epoch) == (now, -1)
        left_before = [message[:-1] for message in before if message[-1] >= offset]
        assert [message[:-1] for message in after if message[-1] >= moved.offset] == left_before
    moved = renumbering.move(Place(4, renumbering.before.topic_id))
    assert broker.resume(kafka, {(topic, 0): moved}) == ({(topic, 0): moved}, [])


def test_a_place_of_another_log_stays_as_it_is():
    renumbering = Renumbering(TopicIdentity("old", 1), TopicIdentity("new", 1), [5, 6])
    other = Place(6, "another", 1, 2)
    assert renumbering.move(other) == other
    assert renumbering.move(Place(6)) == Place(1, "new", 1)  # stored before places knew their logs


def test_only_what_is_before_the_end_is_copied(kafka, old, tmp_path):
    offsets = [message[-1] for message in read_raw(kafka, old)]
    assert copy_partition(kafka, (old, 0), offsets[3], tmp_path / "old") == 3


def test_an_empty_partition_is_an_empty_file(kafka, tmp_path):
    topic = new_topic(kafka)
    assert copy_partition(kafka, (topic, 0), 0, tmp_path / "empty") == 0
    restore_partition(kafka, (topic, 0), tmp_path / "empty")
    assert read_raw(kafka, topic) == []


def test_a_partition_that_somebody_else_writes_to_is_not_taken_for_restored(kafka, old, tmp_path):
    _, end = broker.Bounds(kafka)((old, 0))
    copy_partition(kafka, (old, 0), end, tmp_path / "old")
    with pytest.raises(BrokerError, match="was restored from 7 messages; make it anew"):
        restore_partition(kafka, (old, 0), tmp_path / "old")
