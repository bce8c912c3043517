"""Publish, and publish exactly once together with what was consumed."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from .. import failpoints, wire
from ..errors import BrokerError
from ..models import Record
from .client import LOG, TIMEOUT_SECONDS, Kafka, Position, clear, key_text, new_consumer, new_producer, partitions_at
from .topics import BASELINES, topic_of

# What a killed process leaves open, Kafka undoes after this time; until then readers see nothing behind it.
TRANSACTION_MS = 30_000


def publish(kafka: Kafka, records: Iterable[Record]) -> dict[str, int]:
    """Send records, in order per symbol, and wait until Kafka has them all; returns how many per topic.

    Raises:
        BrokerError: any record was not stored; the message names topic, key and reason.
    """
    with clear(kafka, "publish"), Outbox(new_producer(kafka)) as outbox:
        # Says at once when Kafka is away, and spares the producer's first half second without a known broker.
        outbox.producer.list_topics(timeout=TIMEOUT_SECONDS)
        for record in records:
            outbox.send(record)
        failpoints.reach("publish.sent")
        outbox.flush()
        failpoints.reach("publish.stored")
        return dict(outbox.sent)


class Outbox:
    """A producer that remembers what it sent and what failed."""

    def __init__(self, producer: Producer):
        self.producer = producer
        self.sent: Counter[str] = Counter()
        self.failures: list[str] = []

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        with warnings.catch_warnings():
            # A fenced producer warns that it cannot abort; the caller has that as an exception already.
            warnings.simplefilter("ignore", RuntimeWarning)
            self.producer.close()

    def send(
        self, record: Record, *, topic: str | None = None, partition: int | None = None, key: str | None = None
    ) -> None:
        """Queue one record; its symbol chooses the partition unless one is given."""
        kind = record.__struct_config__.tag
        key = key or _key_of(record)
        self.send_raw(topic or topic_of(record), wire.encode(record), key=key, partition=partition, kind=kind)

    def send_raw(
        self, topic: str, value: bytes | None, *, key: str, partition: int | None = None, kind: str = ""
    ) -> None:
        """Queue bytes as they are, e.g. a state snapshot; None deletes the key of a compacted topic."""
        place = {} if partition is None else {"partition": partition}
        headers = [("kind", kind.encode())] if kind else []
        while True:
            try:
                self.producer.produce(
                    topic, value=value, key=key, headers=headers, on_delivery=self._delivered, **place
                )
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

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

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.sent[message.topic()] += 1
        else:
            self.failures.append(f"{message.topic()} key {key_text(message.key())}: {error.str()}")


@dataclass
class Transaction:
    """Records and consumed offsets that become visible together, or not at all."""

    outbox: Outbox
    offsets: dict[Position, int]

    def send(
        self, record: Record, *, topic: str | None = None, partition: int | None = None, key: str | None = None
    ) -> None:
        self.outbox.send(record, topic=topic, partition=partition, key=key)

    def send_raw(self, topic: str, value: bytes | None, *, key: str, partition: int | None = None) -> None:
        self.outbox.send_raw(topic, value, key=key, partition=partition)

    def consumed(self, next_offsets: Mapping[Position, int]) -> None:
        """The group's next offsets, committed with the records."""
        self.offsets.update(next_offsets)


@contextmanager
def transaction(kafka: Kafka, transactional_id: str, group: str) -> Iterator[Transaction]:
    """Exactly once: commit what is sent and consumed inside the block, abort on any exception.

    Read committed offsets and state INSIDE the block. Entering it waits until the id's previous transaction is
    visible or undone and locks its earlier owner out, so nothing that is read here can still change.

    Raises:
        BrokerError: Kafka refused, or another process has taken over the ``transactional_id`` (fenced).
    """
    settings = {"transactional.id": transactional_id, "transaction.timeout.ms": TRANSACTION_MS}
    with clear(kafka, f"transaction {transactional_id}"), Outbox(new_producer(kafka, **settings)) as outbox:
        outbox.producer.init_transactions(TIMEOUT_SECONDS * 2)
        outbox.producer.begin_transaction()
        ongoing = Transaction(outbox, {})
        try:
            yield ongoing
            failpoints.reach("transaction.sent")
            if ongoing.offsets:
                with new_consumer(kafka, group) as member:
                    outbox.producer.send_offsets_to_transaction(
                        partitions_at(ongoing.offsets), member.consumer_group_metadata(), TIMEOUT_SECONDS
                    )
            failpoints.reach("transaction.offsets_sent")
            outbox.producer.commit_transaction(TIMEOUT_SECONDS * 2)
        except BaseException as error:
            _abort(outbox.producer, transactional_id)
            if isinstance(error, KafkaException) and not error.args[0].fatal():
                outbox.check()
            raise


def _abort(producer: Producer, transactional_id: str) -> None:
    try:
        producer.abort_transaction(TIMEOUT_SECONDS)
    except KafkaException as error:
        # The first exception is on its way up, and the broker aborts what its producer leaves behind.
        LOG.warning("transaction %s could not be aborted: %s", transactional_id, error.args[0].str())


def _key_of(record: Record) -> str:
    # A compacted topic keeps the newest message of each key.
    if topic_of(record) == BASELINES:
        return record.event_id
    return record.symbol or record.event_id
