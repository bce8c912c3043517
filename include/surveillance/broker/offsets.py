"""Reads offsets and lag of groups, and the newest message of each key. Nothing here joins a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from include.surveillance.broker.client import (
    TIMEOUT_SECONDS,
    Closing,
    Kafka,
    Position,
    as_broker_error,
    list_partitions,
    new_consumer,
    partitions_at,
    place_of,
    read_bounds,
    retrying,
)
from include.surveillance.broker.identity import Identities, check_place
from include.surveillance.broker.reader import read, read_all
from include.surveillance.places import Place

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
        return list_partitions(consumer, topic)


# Offsets as they were last committed, though a transaction holds newer ones. Who asks does not wait for its end: its
# owner may be dead, and only the next owner, whom the answer makes come, undoes it.
_PENDING_IGNORED = {"isolation.level": "read_uncommitted"}


def committed(
    kafka: Kafka, group: str, partitions: Sequence[Position], *, settled: bool = True
) -> dict[Position, Place | None]:
    """Read where the group goes on in each partition; None where it has not stored that yet.

    Settled: wait for the end of a transaction that holds offsets of the group. Whoever only measures, or is about to
    end that transaction, must not.
    """
    options = {} if settled else _PENDING_IGNORED
    with as_broker_error(kafka, "read committed offsets"), new_consumer(kafka, group, **options) as consumer:
        return _committed(consumer, partitions)


def commit(kafka: Kafka, group: str, places: Mapping[Position, Place]) -> None:
    """Store where the group goes on."""
    with as_broker_error(kafka, "commit offsets"), new_consumer(kafka, group) as consumer:
        _commit(consumer, places)


class LagProbe(Closing):
    """Measures again and again, over one connection, how far a group is behind; does not join the group."""

    def __init__(self, kafka: Kafka, group: str, partitions: Sequence[Position]):
        self.kafka, self.partitions = kafka, list(partitions)
        self._reader, self._identify = new_consumer(kafka, group), Identities(kafka)
        self._member = new_consumer(kafka, group, **_PENDING_IGNORED)

    def lag(self) -> int:
        """Count the offsets between where the group goes on and the committed ends.

        Raises:
            LogBrokenError: a place is not in its log, so that nobody knows how many messages are unread.
        """
        with as_broker_error(self.kafka, "measure lag"):
            return sum(end - (place.offset if place else low) for place, (low, end) in self._compare().values())

    def oldest_unread(self) -> dict[Position, int]:
        """Return when Kafka stored the first message that the group has not consumed, UTC epoch ms, where there is one.

        Raises:
            LogBrokenError: a place is not in its log, so that nobody knows what is unread.
        """
        oldest = {}
        with as_broker_error(self.kafka, "measure lag"):
            behind = {
                position: place
                for position, (place, (low, end)) in self._compare().items()
                if end > (place.offset if place else low)
            }
        for position, place in behind.items():
            # What lies between may be nothing but the markers of transactions.
            for message in read(self.kafka, {position: place}, limit=1).messages:
                oldest[position] = message.timestamp_ms
        return oldest

    def _compare(self) -> dict[Position, tuple[Place | None, tuple[int, int]]]:
        """Ask where the group goes on, not before what the log still has, and for the bounds of the log."""
        compared: dict[Position, tuple[Place | None, tuple[int, int]]] = {}
        places = _committed(self._member, self.partitions)
        identities = self._identify({topic for topic, _ in self.partitions})
        for position, place in places.items():
            low, end = read_bounds(self._reader, position)
            if place is not None:
                check_place(position, place, identities[position[0]], (low, end))
                place = place._replace(offset=max(low, place.offset))
            compared[position] = place, (low, end)
        return compared

    def close(self) -> None:
        self._reader.close()
        self._member.close()


def lag(kafka: Kafka, group: str, partitions: Sequence[Position]) -> int:
    """Count the offsets that the group is behind the committed ends of these partitions; errors as of ``LagProbe``."""
    with LagProbe(kafka, group, partitions) as probe:
        return probe.lag()


def oldest_unread(kafka: Kafka, group: str, partitions: Sequence[Position]) -> dict[Position, int]:
    """Return when Kafka stored the first message that the group has not consumed; as ``LagProbe`` does."""
    with LagProbe(kafka, group, partitions) as probe:
        return probe.oldest_unread()


@retrying
def _commit(consumer: Consumer, places: Mapping[Position, Place]) -> None:
    for partition in consumer.commit(offsets=partitions_at(places), asynchronous=False):
        if partition.error:
            raise KafkaException(partition.error)


@retrying
def _committed(consumer: Consumer, partitions: Sequence[Position]) -> dict[Position, Place | None]:
    answers = consumer.committed([TopicPartition(*position) for position in partitions], timeout=TIMEOUT_SECONDS)
    for answer in answers:
        if answer.error:
            raise KafkaException(answer.error)
    return {(it.topic, it.partition): place_of(it) for it in answers}
