"""Publishes exactly once, together with the offsets of what was consumed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import Thread

from confluent_kafka import KafkaError, KafkaException, Producer

from include.surveillance import failpoints
from include.surveillance.broker.client import (
    LOG,
    TIMEOUT_SECONDS,
    Kafka,
    Position,
    as_broker_error,
    new_consumer,
    new_producer,
    partitions_at,
)
from include.surveillance.broker.producer import Outbox
from include.surveillance.errors import BrokerError
from include.surveillance.places import Place
from include.surveillance.settings import Settings

# What a killed process leaves open, Kafka undoes after this time; until then readers see nothing behind it.
TRANSACTION_MS = 30_000
GRACE_SECONDS = 2.0  # in which the client may say itself that a call took too long


class Transaction(Outbox):
    """Records and consumed offsets that become visible together, or not at all."""

    def __init__(self, producer: Producer):
        super().__init__(producer)
        self.places: dict[Position, Place] = {}

    def add_places(self, places: Mapping[Position, Place]) -> None:
        """Commit with the records where the group goes on."""
        self.places.update(places)


class Transactions:
    """Owns a ``transactional_id``: makes one transaction after the other over a producer that is kept open.

    Entering it waits until the id's last transaction is visible or undone and locks its earlier owner out: what is
    read from then on, committed offsets and state, can only be changed by this owner, or by one that locks it out.

    Raises:
        BrokerError: Kafka refused; from ``transaction`` also that another process has taken over the id (fenced).
            Leave it then; nothing more can be done with it.
    """

    def __init__(self, kafka: Kafka, transactional_id: str, group: str):
        self.kafka, self.transactional_id, self.group = kafka, transactional_id, group
        self._stuck = False

    def __enter__(self) -> Transactions:
        name = Settings.kafka_name(self.transactional_id)
        settings = {"transactional.id": name, "transaction.timeout.ms": TRANSACTION_MS}
        with self._errors():
            # Who has no member in the group commits for it all the same; Kafka wants to know its name only.
            with new_consumer(self.kafka, self.group) as member:
                self._member = member.consumer_group_metadata()
            self._producer = new_producer(self.kafka, **settings)
            try:
                self._producer.init_transactions(TIMEOUT_SECONDS * 2)
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._stuck:
            return  # to close it would wait for ever too
        # A fenced producer warns of and fails at what it cannot abort; the caller has that as an exception already.
        with warnings.catch_warnings(), suppress(KafkaException):
            warnings.simplefilter("ignore", RuntimeWarning)
            self._producer.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commit what is sent and consumed inside the block, abort on any exception."""
        with self._errors():
            self._producer.begin_transaction()
            ongoing = Transaction(self._producer)
            try:
                yield ongoing
                failpoints.reach("transaction.sent")
                if ongoing.places:
                    self._send_offsets(ongoing.places)
                failpoints.reach("transaction.offsets_sent")
                self._producer.commit_transaction(TIMEOUT_SECONDS * 2)
            except BaseException as error:
                refusal = None if self._stuck else self._abort()
                if isinstance(error, KafkaException):
                    # Produced after a fatal error: only that there was one, not which.
                    if refusal is not None and error.args[0].code() == KafkaError._FATAL:
                        raise refusal from error
                    if not error.args[0].fatal():
                        ongoing.check()
                raise

    def _send_offsets(self, places: Mapping[Position, Place]) -> None:
        """Send them in a thread that can be left behind.

        The client heeds no time limit here: it waits for ever for the group's coordinator as it knew it before the
        broker was started again.
        """
        outcome: Future[None] = Future()

        def send() -> None:
            try:
                self._producer.send_offsets_to_transaction(partitions_at(places), self._member, TIMEOUT_SECONDS)
                outcome.set_result(None)
            except BaseException as error:  # noqa: BLE001 - whoever waits for it raises it
                outcome.set_exception(error)

        Thread(target=send, name=f"offsets of {self.transactional_id}", daemon=True).start()
        try:
            outcome.result(TIMEOUT_SECONDS + GRACE_SECONDS)
        except TimeoutError:
            self._stuck = True
            raise BrokerError(
                f"transaction {self.transactional_id}: Kafka has not taken the offsets of group {self.group} in "
                f"{TIMEOUT_SECONDS + GRACE_SECONDS:.0f} s; the next attempt asks anew who coordinates the group"
            ) from None

    def _abort(self) -> KafkaException | None:
        """Return why it could not be done. The broker aborts what its producer leaves behind."""
        try:
            self._producer.abort_transaction(TIMEOUT_SECONDS)
        except KafkaException as error:
            LOG.warning("transaction %s could not be aborted: %s", self.transactional_id, error.args[0].str())
            return error
        return None

    def _errors(self) -> AbstractContextManager[None]:
        return as_broker_error(self.kafka, f"transaction {self.transactional_id}")


@contextmanager
def transaction(kafka: Kafka, transactional_id: str, group: str) -> Iterator[Transaction]:
    """Make a single transaction, see ``Transactions``."""
    with Transactions(kafka, transactional_id, group) as owner, owner.transaction() as ongoing:
        yield ongoing
