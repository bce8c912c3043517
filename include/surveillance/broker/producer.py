"""Publishes records: those of one call, or of many over a producer that is kept open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import Lock

from confluent_kafka import KafkaError, Message, Producer

from include.surveillance import failpoints, wire
from include.surveillance.broker.client import TIMEOUT_SECONDS, Closing, Kafka, as_broker_error, key_text, new_producer
from include.surveillance.errors import BrokerError
from include.surveillance.records import BASELINES, AnyRecord, ParametersVersion

SERVED = 1_000  # records after which librdkafka may let go of those that are stored, and use their memory again
BY_KEY = -1  # the partitioner chooses the partition
Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]


def publish(kafka: Kafka, records: Iterable[AnyRecord]) -> dict[str, int]:
    """Send records, in order per symbol, and wait until Kafka has them all; returns how many per topic.

    Raises:
        BrokerError: any record was not stored; the message names topic, key and reason.
    """
    with Publisher(kafka) as publisher:
        return publisher.publish(records)


class Publisher(Closing):
    """Keeps a producer open for a process that publishes often: to connect takes longer than to publish.

    Threads may publish at the same time. Not to be carried over a fork: each process opens its own.

    Args:
        kafka: the client's configuration.
        permit: called before each record; what it raises ends the publishing.
    """

    def __init__(self, kafka: Kafka, *, permit: Callable[[], object] = lambda: None):
        self.kafka, self._permit = kafka, permit
        self._producer: Producer | None = None
        self._opening = Lock()

    def publish(self, records: Iterable[AnyRecord]) -> dict[str, int]:
        """Do as the function ``publish`` does. After an error the next call begins with a new producer."""
        with as_broker_error(self.kafka, "publish"):
            outbox = Outbox(self._open())
            try:
                outbox.send_all(self._permitted(records))
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

    def _permitted(self, records: Iterable[AnyRecord]) -> Iterator[AnyRecord]:
        for record in records:
            self._permit()
            yield record

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
    """Sends over a producer; counts what it sent, by topic, and collects what failed."""

    def __init__(self, producer: Producer):
        self.producer = producer
        self.sent: Counter[str] = Counter()
        self.failures: list[str] = []

    def send_all(self, records: Iterable[AnyRecord], *, partition: int = BY_KEY) -> None:
        """Queue records; the symbol of each chooses its partition unless one is given."""
        for number, record in enumerate(records, start=1):
            self.send(record, partition=partition)
            if number % SERVED == 0:
                self.producer.poll(0)

    def send(self, record: AnyRecord, *, partition: int = BY_KEY, headers: Mapping[str, str] | None = None) -> None:
        """Queue one record; its kind goes with it as a header, before ``headers``."""
        # A compacted topic keeps the newest message of each key; parameters, too, are on one.
        if isinstance(record, ParametersVersion) or record.topic == BASELINES:
            key = record.event_id
        else:
            key = record.symbol or record.event_id
        about: dict[str, str | bytes | None] = {"kind": str(record.__struct_config__.tag), **(headers or {})}
        self.send_raw(record.topic, wire.encode(record), key=key, partition=partition, headers=about)

    def send_raw(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: str | bytes | None,
        partition: int = BY_KEY,
        headers: Headers | None = None,
        timestamp_ms: int = 0,
    ) -> None:
        """Queue bytes as they are, e.g. a state snapshot; None deletes the key of a compacted topic.

        Args:
            timestamp_ms: where a topic takes the time of its messages from whoever sends them; 0 is now.
        """
        while True:
            try:
                note = self._note_failure
                self.producer.produce(
                    topic, value, key, partition, on_delivery=note, timestamp=timestamp_ms, headers=headers
                )
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
        """Raise BrokerError when anything failed so far."""
        if self.failures:
            more = f" (and {len(self.failures) - 1} more)" if len(self.failures) > 1 else ""
            raise BrokerError(f"Kafka did not store {self.failures[0]}{more}")

    def _note_failure(self, error: KafkaError | None, message: Message[bytes, bytes]) -> None:
        if error is not None:
            self.failures.append(f"{message.topic()} key {key_text(message.key())}: {error.str()}")
