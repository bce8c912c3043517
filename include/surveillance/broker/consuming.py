"""Read positions to their end, offsets of groups, lag. Nothing here joins a group."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from ..errors import BrokerError
from ..models import Reject
from .client import LOG, TIMEOUT_SECONDS, Kafka, Position, clear, key_text, new_consumer, partitions_at, patiently


class Received(NamedTuple):
    """One message as read; ``timestamp_ms`` is when Kafka stored it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: bytes | None

    def rejected(self, stage: str, reason: str, detail: str, event_id: str = "") -> Reject:
        """This message as a Reject that says where it lies."""
        return Reject.of(
            self.value or b"",
            event_id=event_id,
            stage=stage,
            reason=reason,
            detail=f"{self.topic}[{self.partition}] offset {self.offset}: {detail}",
            symbol=self.key or None,
            polled_ms=self.timestamp_ms,
        )


class Batch(NamedTuple):
    """Messages in order per partition and, per partition read, the offset to go on from."""

    messages: list[Received]
    next_offsets: dict[Position, int]


def read(
    kafka: Kafka, positions: Mapping[Position, int | None], *, limit: int = 50_000, timeout: float = TIMEOUT_SECONDS
) -> Batch:
    """Read from each position (None: the oldest) to the partition's end as it is now, at most ``limit`` messages.

    After ``timeout`` seconds the batch is what has arrived so far. Joins no group and commits nothing.

    Raises:
        BrokerError: Kafka cannot be reached, nothing arrived in time, or a position lies past the end.
    """
    with clear(kafka, "read"), new_consumer(kafka, "reader", **{"enable.partition.eof": True}) as consumer:
        ends, cursor = {}, {}
        for position, offset in positions.items():
            low, ends[position] = _bounds(consumer, position)
            cursor[position] = _start(position, offset, low, ends[position])
        open_ended = {position for position in positions if cursor[position] < ends[position]}
        messages: list[Received] = []
        if not open_ended:
            return Batch(messages, cursor)
        consumer.assign(partitions_at({position: cursor[position] for position in open_ended}))
        deadline = time.monotonic() + timeout
        while open_ended and len(messages) < limit:
            left = deadline - time.monotonic()
            if left <= 0:
                if not messages:
                    raise BrokerError(f"nothing read from {sorted(open_ended)} in {timeout} s; is Kafka healthy?")
                break
            for message in _next(consumer, limit - len(messages), left):
                position = (message.topic(), message.partition())
                if error := message.error():
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    cursor[position] = message.offset()
                else:
                    messages.append(_received(message))
                    cursor[position] = message.offset() + 1
                if cursor[position] >= ends[position]:
                    open_ended.discard(position)
        return Batch(messages, cursor)


def last_value(kafka: Kafka, topic: str, partition: int) -> bytes | None:
    """The newest committed message of a partition; None when it is empty."""
    position = (topic, partition)
    with clear(kafka, "read"), new_consumer(kafka, "reader") as consumer:
        low, end = _bounds(consumer, position)
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
    with clear(kafka, f"list partitions of {topic}"), new_consumer(kafka, "reader") as consumer:
        found = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
        if found.error:
            raise KafkaException(found.error)
        return sorted(found.partitions)


def committed(kafka: Kafka, group: str, partitions: Sequence[Position]) -> dict[Position, int | None]:
    """The group's next offset of each partition; None where it has none yet."""
    with clear(kafka, "read committed offsets"), new_consumer(kafka, group) as consumer:
        return _committed(consumer, partitions)


def commit(kafka: Kafka, group: str, offsets: Mapping[Position, int]) -> None:
    """Store the group's next offsets."""
    with clear(kafka, "commit offsets"), new_consumer(kafka, group) as consumer:
        _commit(consumer, offsets)


class LagProbe:
    """How many offsets a group is behind, asked again and again over one connection, without joining the group."""

    def __init__(self, kafka: Kafka, group: str, partitions: Sequence[Position]):
        self.kafka, self.partitions = kafka, list(partitions)
        self._reader = new_consumer(kafka, group)
        # Does not wait for the end of a transaction that holds offsets: its owner may be dead, and to see the lag
        # is what makes the next one come and undo it.
        self._member = new_consumer(kafka, group, **{"isolation.level": "read_uncommitted"})

    def lag(self) -> int:
        with clear(self.kafka, "measure lag"):
            offsets = _committed(self._member, self.partitions)
            total = 0
            for position in self.partitions:
                low, end = _bounds(self._reader, position)
                offset = offsets[position]
                total += max(0, end - (low if offset is None else max(offset, low)))
            return total

    def close(self) -> None:
        self._reader.close()
        self._member.close()

    def __enter__(self) -> LagProbe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lag(kafka: Kafka, group: str, partitions: Sequence[Position]) -> int:
    """How many offsets the group is behind the committed ends of these partitions."""
    with LagProbe(kafka, group, partitions) as probe:
        return probe.lag()


def _bounds(consumer: Consumer, position: Position) -> tuple[int, int]:
    return consumer.get_watermark_offsets(TopicPartition(*position), timeout=TIMEOUT_SECONDS, cached=False)


def _next(consumer: Consumer, limit: int, timeout: float) -> list[Message]:
    # consume() alone waits out its timeout unless it can fill the whole list.
    first = consumer.poll(timeout)
    return [] if first is None else [first, *consumer.consume(min(limit, 1_000) - 1, 0)]


def _start(position: Position, offset: int | None, low: int, end: int) -> int:
    if offset is None:
        return low
    if offset > end:
        raise BrokerError(
            f"offset {offset} of {position[0]}[{position[1]}] lies past its end {end}: the topic was made anew; "
            "reset the stored offsets too"
        )
    if offset < low:
        LOG.warning("%s[%s]: offsets %s to %s are gone, retention was shorter than the outage", *position, offset, low)
    return max(offset, low)


@patiently
def _commit(consumer: Consumer, offsets: Mapping[Position, int]) -> None:
    for place in consumer.commit(offsets=partitions_at(offsets), asynchronous=False):
        if place.error:
            raise KafkaException(place.error)


@patiently
def _committed(consumer: Consumer, partitions: Sequence[Position]) -> dict[Position, int | None]:
    found = consumer.committed([TopicPartition(*position) for position in partitions], timeout=TIMEOUT_SECONDS)
    for place in found:
        if place.error:
            raise KafkaException(place.error)
    return {(p.topic, p.partition): None if p.offset == OFFSET_INVALID else p.offset for p in found}


def _received(message: Message) -> Received:
    key, (_, timestamp_ms) = key_text(message.key()), message.timestamp()
    return Received(message.topic(), message.partition(), message.offset(), timestamp_ms, key, message.value())
