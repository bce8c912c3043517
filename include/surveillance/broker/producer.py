"""Publish: records of one call, or of many over a producer that is kept open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Lock

from confluent_kafka import KafkaError, Message, Producer

from include.surveillance import failpoints, wire
from include.surveillance.broker.client import TIMEOUT_SECONDS, Closing, Kafka, as_broker_error, key_text, new_producer
from include.surveillance.broker.topics import BASELINES, topic_of
from include.surveillance.errors import BrokerError
from include.surveillance.records import Record

SERVED = 1_000  # records after which those that have been stored are let go of, and their memory used again
BY_KEY = -1


def publish(kafka: Kafka, records: Iterable[Record]) -> dict[str, int]:
    """Send records, in order per symbol, and wait until Kafka has them all; returns how many per topic.

    Raises:
        BrokerError: any record was not stored; the message names topic, key and reason.
    """
    with Publisher(kafka) as publisher:
        return publisher.publish(records)


class Publisher(Closing):
    """A producer that is kept open, for a process that publishes often: to connect takes longer than to publish.

    Threads may publish at the same time. Not to be carried over a fork: each process opens its own.
    """

    def __init__(self, kafka: Kafka):
        self.kafka = kafka
        self._producer: Producer | None = None
        self._opening = Lock()

    def publish(self, records: Iterable[Record]) -> dict[str, int]:
        """As the function ``publish``. After an error the next call begins with a new producer."""
        with as_broker_error(self.kafka, "publish"):
            outbox = Outbox(self._open())
            try:
                outbox.send_all(records)
                failpoints.reach("publish.sent")
                outbox.flush()
            except BaseException:
                # Other threads may still be waiting for it: it closes when the last of them lets go.
                self._producer = None
                raise
            failpoints.reach("publish.stored")
            return dict(outbox.sent)

    def close(self) -> None:
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def _open(self) -> Producer:
        with self._opening:
            producer = self._producer
            if producer is None:
                producer = new_producer(self.kafka)
                # Says at once when Kafka is away, and spares the producer's first half second without a known broker.
                producer.list_topics(timeout=TIMEOUT_SECONDS)
                self._producer = producer
            return producer


class Outbox:
    """What is sent over a producer, and what of it failed."""

    def __init__(self, producer: Producer):
        self.producer = producer
        self.sent: Counter[str] = Counter()
        self.failures: list[str] = []

    def send_all(self, records: Iterable[Record], *, partition: int | None = None) -> None:
        """Queue records; the symbol of each chooses its partition unless one is given."""
        for number, record in enumerate(records, start=1):
            self.send(record, partition=partition)
            if number % SERVED == 0:
                self.producer.poll(0)

    def send(self, record: Record, *, partition: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Queue one record; its kind goes with it as a header, before ``headers``."""
        topic = topic_of(record)
        # A compacted topic keeps the newest message of each key.
        key = record.event_id if topic == BASELINES else record.symbol or record.event_id
        about = [("kind", record.__struct_config__.tag)]
        if headers:
            about += headers.items()
        self.send_raw(topic, wire.encode(record), key=key, partition=partition, headers=about)

    def send_raw(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: str,
        partition: int | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        """Queue bytes as they are, e.g. a state snapshot; None deletes the key of a compacted topic."""
        place = BY_KEY if partition is None else partition
        while True:
            try:
                self.producer.produce(topic, value, key, partition=place, headers=headers, on_delivery=self._failed)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.sent[topic] += 1

    def flush(self) -> None:
        """Wait until everything queued is stored.

        Raises:
            BrokerError: something was not.
        """
        left = self.producer.flush(TIMEOUT_SECONDS * 2)
        if left:
            self.failures.append(f"{left} records unanswered after {TIMEOUT_SECONDS * 2:.0f} s")
        self.check()

    def check(self) -> None:
        if self.failures:
            more = f" (and {len(self.failures) - 1} more)" if len(self.failures) > 1 else ""
            raise BrokerError(f"Kafka did not store {self.failures[0]}{more}")

    def _failed(self, error: KafkaError, message: Message) -> None:
        self.failures.append(f"{message.topic()} key {key_text(message.key())}: {error.str()}")
