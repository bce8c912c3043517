"""Offsets of groups and lag, and the newest messages of a topic. Nothing here joins a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from include.surveillance.broker.client import (
    TIMEOUT_SECONDS,
    Closing,
    Kafka,
    Position,
    as_broker_error,
    bounds,
    new_consumer,
    partitions_at,
    retrying,
)
from include.surveillance.broker.reader import read


def last_value(kafka: Kafka, topic: str, partition: int) -> bytes | None:
    """The newest committed message of a partition; None when it is empty."""
    position = (topic, partition)
    with as_broker_error(kafka, "read"), new_consumer(kafka, "reader") as consumer:
        low, end = bounds(consumer, position)
    # The tail holds transaction markers and aborted messages: step back until there is a message.
    step = 4
    while True:
        start = max(low, end - step)
        batch = read(kafka, {position: start})
        if batch.messages:
            return batch.messages[-1].value
        if start == low:
            return None
        step *= 8


def read_compacted(kafka: Kafka, topic: str) -> dict[str, bytes]:
    """The newest value of every key of a compacted topic; deleted keys are absent."""
    positions: dict[Position, int | None] = {(topic, partition): None for partition in partitions_of(kafka, topic)}
    newest: dict[str, bytes | None] = {}
    while True:
        batch = read(kafka, positions)
        if not batch.messages:
            return {key: value for key, value in newest.items() if value is not None}
        newest.update((message.key, message.value) for message in batch.messages)
        positions = dict(batch.next_offsets)


def partitions_of(kafka: Kafka, topic: str) -> list[int]:
    """The topic's partitions."""
    with as_broker_error(kafka, f"list partitions of {topic}"), new_consumer(kafka, "reader") as consumer:
        found = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
        if found.error:
            raise KafkaException(found.error)
        return sorted(found.partitions)


def committed(kafka: Kafka, group: str, partitions: Sequence[Position]) -> dict[Position, int | None]:
    """The group's next offset of each partition; None where it has none yet."""
    with as_broker_error(kafka, "read committed offsets"), new_consumer(kafka, group) as consumer:
        return _committed(consumer, partitions)


def commit(kafka: Kafka, group: str, offsets: Mapping[Position, int]) -> None:
    """Store the group's next offsets."""
    with as_broker_error(kafka, "commit offsets"), new_consumer(kafka, group) as consumer:
        _commit(consumer, offsets)


class LagProbe(Closing):
    """How many offsets a group is behind, asked again and again over one connection, without joining the group."""

    def __init__(self, kafka: Kafka, group: str, partitions: Sequence[Position]):
        self.kafka, self.partitions = kafka, list(partitions)
        self._reader = new_consumer(kafka, group)
        # Does not wait for the end of a transaction that holds offsets: its owner may be dead, and to see the lag
        # is what makes the next one come and undo it.
        self._member = new_consumer(kafka, group, **{"isolation.level": "read_uncommitted"})

    def lag(self) -> int:
        with as_broker_error(self.kafka, "measure lag"):
            offsets = _committed(self._member, self.partitions)
            total = 0
            for position in self.partitions:
                low, end = bounds(self._reader, position)
                offset = offsets[position]
                total += max(0, end - (low if offset is None else max(offset, low)))
            return total

    def close(self) -> None:
        self._reader.close()
        self._member.close()


def lag(kafka: Kafka, group: str, partitions: Sequence[Position]) -> int:
    """How many offsets the group is behind the committed ends of these partitions."""
    with LagProbe(kafka, group, partitions) as probe:
        return probe.lag()


@retrying
def _commit(consumer: Consumer, offsets: Mapping[Position, int]) -> None:
    for place in consumer.commit(offsets=partitions_at(offsets), asynchronous=False):
        if place.error:
            raise KafkaException(place.error)


@retrying
def _committed(consumer: Consumer, partitions: Sequence[Position]) -> dict[Position, int | None]:
    found = consumer.committed([TopicPartition(*position) for position in partitions], timeout=TIMEOUT_SECONDS)
    for place in found:
        if place.error:
            raise KafkaException(place.error)
    return {(p.topic, p.partition): None if p.offset == OFFSET_INVALID else p.offset for p in found}
