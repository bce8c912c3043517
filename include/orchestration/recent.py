"""The newest records of a topic, read without a group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from include.orchestration import connections

if TYPE_CHECKING:
    from include.surveillance.broker.consuming import Received

TAIL = 2_000  # messages per partition that hold several polls of every symbol


def tail(topic: str) -> list[Any]:
    """The newest records of a topic; what cannot be decoded is rejected elsewhere and counted there."""
    from include.surveillance import broker

    kafka = connections.kafka()
    return _decoded(broker.read(kafka, _near_the_end(kafka, topic)).messages)


def _decoded(messages: Iterable[Received]) -> list[Any]:
    from include.surveillance import wire

    records = []
    for message in messages:
        try:
            records.append(wire.decode(message.value))
        except wire.WireError:
            continue
    return records


def since(topic: str, since_ms: int) -> list[Any]:
    """The records that Kafka has stored since then; what cannot be decoded is rejected elsewhere and counted there."""
    from confluent_kafka import TopicPartition

    from include.surveillance import broker
    from include.surveillance.broker.client import TIMEOUT_SECONDS, clear, new_consumer
    from include.surveillance.settings import Settings

    kafka = connections.kafka()
    partitions = range(Settings.from_env().kafka_partitions)
    with clear(kafka, f"find the last half hour of {topic}"), new_consumer(kafka, "reader") as consumer:
        asked = [TopicPartition(topic, partition, since_ms) for partition in partitions]
        found = consumer.offsets_for_times(asked, TIMEOUT_SECONDS)
    # A negative offset: nothing has been stored since.
    positions = {(topic, place.partition): place.offset for place in found if place.offset >= 0}
    records: list[Any] = []
    while positions:
        batch = broker.read(kafka, positions)
        records += _decoded(batch.messages)
        positions = batch.next_offsets if batch.messages else {}
    return records


def _near_the_end(kafka: dict[str, Any], topic: str) -> dict[tuple[str, int], int]:
    from confluent_kafka import TopicPartition

    from include.surveillance.broker.client import TIMEOUT_SECONDS, clear, new_consumer
    from include.surveillance.settings import Settings

    starts = {}
    with clear(kafka, f"find the end of {topic}"), new_consumer(kafka, "reader") as consumer:
        for partition in range(Settings.from_env().kafka_partitions):
            low, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_SECONDS, cached=False)
            starts[topic, partition] = max(low, end - TAIL)
    return starts
