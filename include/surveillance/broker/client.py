"""Configures every Kafka client of the platform, and makes one sentence of each of its errors."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Producer, TopicPartition, murmur2
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from include.surveillance.errors import BrokerError
from include.surveillance.places import Place
from include.surveillance.settings import Settings

LOG = logging.getLogger(__name__)

Kafka = Mapping[str, Any]
Position = tuple[str, int]  # topic, partition

TIMEOUT_SECONDS = 15.0
LARGEST_MESSAGE = 16 * 1024 * 1024

_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)
_UNREACHABLE = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)
_TOPIC_MISSING = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION)
# A group's coordinator moves or loads, or a transaction that holds its offsets is just being completed.
_PASSING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
)

retrying = retry(
    retry=retry_if_exception(lambda error: isinstance(error, KafkaException) and error.args[0].code() in _PASSING),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(TIMEOUT_SECONDS),
    reraise=True,
)


def choose_partition(symbol: str, partitions: int) -> int:
    """Say which partition of a topic has a symbol's records: the choice that the producer makes by the key."""
    return murmur2(symbol.encode(), partitions)


def new_producer(kafka: Kafka, **settings: Any) -> Producer:
    return Producer(
        {
            **shared_settings(kafka),
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "compression.type": "zstd",
            # Fills the batches of a backlog; whoever waits for delivery flushes, and a flush does not linger.
            "linger.ms": 50,
            # Of half a million records a call for each one that was not stored, none for the others.
            "delivery.report.only.error": True,
            "message.max.bytes": LARGEST_MESSAGE,
            "delivery.timeout.ms": 30_000,
            # Without a callback a fatal error is raised in the middle of other callbacks; the calls report it too.
            "error_cb": _log,
            **settings,
        },
        logger=LOG,
    )


def new_consumer(kafka: Kafka, group: str, **settings: Any) -> Consumer:
    return Consumer(
        {
            **shared_settings(kafka),
            "group.id": Settings.kafka_name(group),
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            **settings,
        },
        logger=LOG,
    )


def shared_settings(kafka: Kafka) -> dict[str, Any]:
    """Keep the connection's settings, without those that belong to a group member."""
    kept = {name: value for name, value in kafka.items() if not name.startswith(("group.", "enable.auto.", "auto."))}
    # Level 4 would say after each transaction that the next one had to wait for its markers.
    return {"log_level": 3} | kept


def _log(error: KafkaError) -> None:
    LOG.debug("Kafka client: %s", error.str())


def read_bounds(consumer: Consumer, position: Position) -> tuple[int, int]:
    """Ask for the oldest offset and the end of what is committed, as they are now."""
    return consumer.get_watermark_offsets(TopicPartition(*position), timeout=TIMEOUT_SECONDS, cached=False)


def list_partitions(consumer: Consumer, topic: str) -> list[int]:
    """List the topic's partitions."""
    metadata = consumer.list_topics(topic, timeout=TIMEOUT_SECONDS).topics[topic]
    if metadata.error:
        raise KafkaException(metadata.error)
    return sorted(metadata.partitions)


class Closing(ABC):
    """A context manager that closes its connections on leaving."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def partitions_at(places: Mapping[Position, Place]) -> list[TopicPartition]:
    """Write places as Kafka stores them: what it has no field for is in the metadata."""
    return [
        TopicPartition(topic, partition, place.offset, f"{place.topic_id}/{place.partitions}", place.epoch)
        for (topic, partition), place in places.items()
    ]


def place_of(stored: TopicPartition) -> Place | None:
    """Read a place as ``partitions_at`` has written it; None where there is none."""
    if stored.offset == OFFSET_INVALID:
        return None
    topic_id, _, partitions = (stored.metadata or "").rpartition("/")
    known = bool(topic_id) and partitions.isdigit()
    epoch = -1 if stored.leader_epoch is None else stored.leader_epoch
    return Place(stored.offset, topic_id, int(partitions), epoch) if known else Place(stored.offset)


def key_text(key: bytes | str | None) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else key or ""


@contextmanager
def as_broker_error(kafka: Kafka, doing: str) -> Iterator[None]:
    """Raise librdkafka's errors as BrokerError, one sentence each.

    Raises:
        BrokerError: what could not be done, at which address or with which topic, and the way out.
    """
    try:
        yield
    except KafkaException as error:
        cause: KafkaError = error.args[0]
        servers = kafka.get("bootstrap.servers", "(no bootstrap.servers)")
        if cause.code() in _FENCED:
            message = "another process has taken over; nothing of this batch was stored"
        elif cause.code() in _UNREACHABLE:
            message = (
                f"Kafka at {servers} does not answer ({cause.str()}); start it, or correct address, login or TLS in "
                "connection kafka_default: a refused one is in the log"
            )
        elif cause.code() in _TOPIC_MISSING:
            message = f"a topic is missing ({cause.str()}); run DAG bootstrap_platform"
        else:
            message = f"{cause.name()}: {cause.str()}"
        raise BrokerError(f"{doing}: {message}") from error
