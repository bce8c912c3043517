"""Copies topics into files and back. A file is one partition as Kafka has it: bytes, keys, headers and times.

A topic that is restored is another log than the one that was copied: it has another id, and its messages have other
offsets, because what was undone, compacted or deleted before the copy is not in it. ``Renumbering`` finds the place in
the new log that belongs to a place in the old one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from include.surveillance.broker.client import (
    LOG,
    TIMEOUT_SECONDS,
    Kafka,
    Position,
    as_broker_error,
    new_consumer,
    new_producer,
    read_bounds,
)
from include.surveillance.broker.producer import SERVED, Outbox
from include.surveillance.broker.reader import CHUNK
from include.surveillance.broker.topics import TOPICS, configure_topics, ensure_topics
from include.surveillance.errors import BrokerError, ConfigurationError
from include.surveillance.places import Place, TopicIdentity

ROWS, BYTES = 50_000, 64 * 1024 * 1024  # of one row group, which is held in memory
HEADERS = pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())]))
COLUMNS = pa.schema(
    [
        ("offset", pa.int64()),
        ("timestamp_ms", pa.int64()),
        ("key", pa.binary()),
        ("value", pa.binary()),
        ("headers", HEADERS),
    ]
)

Change = Callable[[bytes | None, bytes | None], bytes | None]
"""Key and value of a message -> the value to restore."""


def copy_partition(kafka: Kafka, position: Position, end: int, file: Path) -> int:
    """Write the committed messages before ``end`` into a Parquet file; return how many.

    Raises:
        BrokerError: Kafka cannot be read, or deletes what is being read.
    """
    count = 0
    with pq.ParquetWriter(file, COLUMNS, compression="zstd") as writer:
        for rows in _batches(_read_messages(kafka, position, end)):
            writer.write_table(pa.Table.from_pylist(rows, COLUMNS))
            count += len(rows)
    return count


def prepare_topics(kafka: Kafka, partitions: int) -> None:
    """Make the platform's topics ready to be restored: there, empty, and with the times that messages bring.

    Raises:
        ConfigurationError: a topic has had messages, or has another number of partitions.
        BrokerError: Kafka cannot be reached or refuses.
    """
    ensure_topics(kafka, partitions)
    with as_broker_error(kafka, "look whether topics are empty"), new_consumer(kafka, "reader") as consumer:
        ends = {
            spec.name: sum(read_bounds(consumer, (spec.name, number))[1] for number in range(partitions))
            for spec in TOPICS
        }
    if used := [f"{topic} ({end:,})" for topic, end in ends.items() if end]:
        raise ConfigurationError(
            f"topics have messages already: {', '.join(used)}; restore into an empty Kafka, or under another "
            "KAFKA_PREFIX after deleting its topics"
        )
    _set_times(kafka, "CreateTime")


def restore_partition(kafka: Kafka, position: Position, file: Path, change: Change = lambda _, value: value) -> None:
    """Publish what ``copy_partition`` has written to an empty partition, in its order and with its times.

    Raises:
        BrokerError: Kafka has not stored every message.
    """
    topic, partition = position
    with as_broker_error(kafka, f"restore {topic}[{partition}]"), new_producer(kafka) as producer:
        outbox, count = Outbox(producer), 0
        for batch in pq.ParquetFile(file).iter_batches(SERVED):
            for row in batch.to_pylist():
                headers = [(it["name"], it["value"]) for it in row["headers"]]
                value = change(row["key"], row["value"])
                outbox.send_raw(
                    topic, value, key=row["key"], partition=partition, headers=headers, timestamp_ms=row["timestamp_ms"]
                )
                count += 1
            producer.poll(0)
            outbox.check()
        outbox.flush()
    with as_broker_error(kafka, f"look at {topic}[{partition}]"), new_consumer(kafka, "reader") as consumer:
        _, end = read_bounds(consumer, position)
    if end != count:
        raise BrokerError(f"{topic}[{partition}] ends at {end} and was restored from {count} messages; make it anew")


def finish_topics(kafka: Kafka) -> None:
    """Let Kafka give messages their times again; the last step of restoring.

    Raises:
        BrokerError: Kafka cannot be reached or refuses.
    """
    configure_topics(kafka)


class Renumbering(NamedTuple):
    """What one partition's copy and the log restored from it have in common.

    Attributes:
        before: the topic that was copied.
        now: the topic that was restored.
        offsets: of the messages, as they were when they were copied, ascending. Now they are counted from 0.
    """

    before: TopicIdentity
    now: TopicIdentity
    offsets: Sequence[int]

    @classmethod
    def of_file(cls, before: TopicIdentity, now: TopicIdentity, file: Path) -> Renumbering:
        """Read the offsets out of a copy."""
        return cls(before, now, pq.read_table(file, columns=["offset"])["offset"].to_numpy())

    def move(self, place: Place) -> Place:
        """Return the place before the same message, or behind the last one; that of another log stays as it is."""
        if place.topic_id not in ("", self.before.topic_id):
            return place
        return Place(bisect_left(self.offsets, place.offset), *self.now)


def _read_messages(kafka: Kafka, position: Position, end: int) -> Iterator[Message[bytes, bytes]]:
    doing = f"copy {position[0]}[{position[1]}]"
    with as_broker_error(kafka, doing), new_consumer(kafka, "reader", **{"enable.partition.eof": True}) as consumer:
        low, _ = read_bounds(consumer, position)
        reached = low
        consumer.assign([TopicPartition(*position, low)])
        while reached < end:
            first = consumer.poll(TIMEOUT_SECONDS)
            if first is None:
                raise BrokerError(f"{doing}: nothing read in {TIMEOUT_SECONDS:.0f} s; is Kafka healthy?")
            for message in (first, *consumer.consume(CHUNK - 1, 0)):
                error, offset = message.error(), message.offset() or 0
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                # The end of the partition, too, says how far it was read: behind the last message are markers.
                reached = max(reached, offset + (error is None))
                if error is None and offset < end:
                    yield message


def _batches(messages: Iterator[Message[bytes, bytes]]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    size = 0
    for message in messages:
        key, value = message.key(), message.value()
        rows.append(
            {
                "offset": message.offset(),
                "timestamp_ms": message.timestamp()[1],
                "key": key.encode() if isinstance(key, str) else key,
                "value": value,
                "headers": [{"name": name, "value": it} for name, it in _headers(message)],
            }
        )
        size += len(value or b"")
        if len(rows) >= ROWS or size >= BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _headers(message: Message[bytes, bytes]) -> list[tuple[str, bytes | None]]:
    return cast("list[tuple[str, bytes | None]]", message.headers() or [])


def _set_times(kafka: Kafka, kind: str) -> None:
    with as_broker_error(kafka, "configure topics"):
        admin = AdminClient(dict(kafka), logger=LOG)
        entry = ConfigEntry("message.timestamp.type", kind, incremental_operation=AlterConfigOpType.SET)
        resources = [ConfigResource(ResourceType.TOPIC, it.name, incremental_configs=[entry]) for it in TOPICS]
        for future in admin.incremental_alter_configs(resources, request_timeout=TIMEOUT_SECONDS).values():
            future.result()
