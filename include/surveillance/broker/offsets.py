"""Reads offsets and lag of groups, and the newest message of each key. Nothing here joins a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from include.surveillance.broker.client import (
    TIMEOUT_SECONDS,
    Closing,
    Kafka,
    Position,
    as_broker_error,
    new_consumer,
    partitions_at,
    read_bounds,
    retrying,
)
from include.surveillance.broker.reader import read_all

AT_ONCE = 200  # of values that can have megabytes


def read_compacted(kafka: Kafka, topic: str, partitions: Sequence[int] | None = None) -> dict[str, bytes]:
    """Read the newest value of every key of a compacted topic, or of some partitions; deleted keys are absent."""
    newest: dict[str, bytes | None] = {}
    wanted = partitions_of(kafka, topic) if partitions is None else partitions
    for batch in read_all(kafka, {(topic, partition): None for partition in wanted}, limit=AT_ONCE):
        newest.update((message.key, message.value) for message in batch.messages)
    return {key: value for key, value in newest.items() if value is not None}


def partitions_of(kafka: Kafka, topic: str) -> list[int]:
    """List the topic's partitions."""
    with as_broker_error(kafka, f"list partitions of {topic}"), new_consumer(kafka, "reader") as consumer:
        metadata = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
        if metadata.error:
            raise KafkaException(metadata.error)
        return sorted(metadata.partitions)


def committed(kafka: Kafka, group: str, partitions: Sequence[Position]) -> dict[Position, int | None]:
    """Read the group's next offset of each partition; None where it has none yet."""
    with as_broker_error(kafka, "read committed offsets"), new_consumer(kafka, group) as consumer:
        return _committed(consumer, partitions)


def commit(kafka: Kafka, group: str, offsets: Mapping[Position, int]) -> None:
    """Store the group's next offsets."""
    with as_broker_error(kafka, "commit offsets"), new_consumer(kafka, group) as consumer:
        _commit(consumer, offsets)


class LagProbe(Closing):
    """Measures again and again, over one connection, how many offsets a group is behind; does not join the group."""

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
                low, end = read_bounds(self._reader, position)
                offset = offsets[position]
                total += max(0, end - (low if offset is None else max(offset, low)))
            return total

    def close(self) -> None:
        self._reader.close()
        self._member.close()


def lag(kafka: Kafka, group: str, partitions: Sequence[Position]) -> int:
    """Count the offsets that the group is behind the committed ends of these partitions."""
    with LagProbe(kafka, group, partitions) as probe:
        return probe.lag()


@retrying
def _commit(consumer: Consumer, offsets: Mapping[Position, int]) -> None:
    for partition in consumer.commit(offsets=partitions_at(offsets), asynchronous=False):
        if partition.error:
            raise KafkaException(partition.error)


@retrying
def _committed(consumer: Consumer, partitions: Sequence[Position]) -> dict[Position, int | None]:
    answers = consumer.committed([TopicPartition(*position) for position in partitions], timeout=TIMEOUT_SECONDS)
    for answer in answers:
        if answer.error:
            raise KafkaException(answer.error)
    return {(it.topic, it.partition): None if it.offset == OFFSET_INVALID else it.offset for it in answers}
