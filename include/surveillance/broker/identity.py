"""Knows which log a topic is at present, and finds the stored places that are of another one or beyond its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from include.surveillance.broker.client import (
    LOG,
    TIMEOUT_SECONDS,
    Kafka,
    Position,
    as_broker_error,
    new_consumer,
    read_bounds,
    shared_settings,
)
from include.surveillance.errors import BrokerError, LogBrokenError
from include.surveillance.places import Break, Cause, Place, TopicIdentity

FIRST_STEP, GROWTH = 4, 8  # how many offsets to look back at first, and how many times as many at each further look


class Identities:
    """Asks for the identity of topics, over a connection of its own; an answer takes a millisecond or two."""

    def __init__(self, kafka: Kafka):
        self.kafka = kafka
        self._admin = AdminClient(shared_settings(kafka), logger=LOG)

    def __call__(self, topics: Iterable[str]) -> dict[str, TopicIdentity]:
        """Return the identity of each topic as it is now.

        Raises:
            BrokerError: Kafka cannot be reached, or a topic is missing.
        """
        with as_broker_error(self.kafka, "look up topics"):
            asked = self._admin.describe_topics(TopicCollection(list(topics)), request_timeout=TIMEOUT_SECONDS)
            answers = {topic: answer.result() for topic, answer in asked.items()}
        return {topic: TopicIdentity(str(it.topic_id), len(it.partitions)) for topic, it in answers.items()}


def find_break(position: Position, place: Place, identity: TopicIdentity, bounds: tuple[int, int]) -> Break | None:
    """Compare a stored place with its topic's identity and with the oldest offset and the end of the partition."""
    (topic, partition), (low, end) = position, bounds
    if place.topic_id not in ("", identity.topic_id):
        return Break(topic, partition, Cause.MADE_ANEW, place, Place(low, *identity))
    if place.offset > end:
        return Break(topic, partition, Cause.TAIL_LOST, place, Place(end, *identity, place.epoch))
    if place.partitions not in (0, identity.partitions):
        return Break(topic, partition, Cause.PARTITIONS_ADDED, place, place._replace(partitions=identity.partitions))
    return None


def check_place(position: Position, place: Place, identity: TopicIdentity, bounds: tuple[int, int]) -> None:
    """Do nothing when the place is in its log.

    Raises:
        LogBrokenError: it is not.
    """
    if found := find_break(position, place, identity, bounds):
        raise as_error(found)


def as_error(found: Break) -> LogBrokenError:
    return LogBrokenError(f"{found.describe()}; the next attempt goes on from the last common place")


def resume(kafka: Kafka, places: Mapping[Position, Place | None]) -> tuple[dict[Position, Place | None], list[Break]]:
    """Return where to go on, and the breaks: instead of a place that its log does not have, the last common one.

    That is the beginning where nobody can know it. A position without a place keeps none.

    Raises:
        BrokerError: Kafka cannot be reached, or a topic is missing.
    """
    identities = Identities(kafka)({topic for topic, _ in places})
    breaks = []
    with as_broker_error(kafka, "compare places with their logs"), new_looker(kafka) as consumer:
        for position, place in places.items():
            if place is not None and (found := _find_break(consumer, position, place, identities[position[0]])):
                breaks.append(found)
    mended = {(it.topic, it.partition): it.resume for it in breaks}
    return {position: mended.get(position, place) for position, place in places.items()}, breaks


def _find_break(consumer: Consumer, position: Position, place: Place, identity: TopicIdentity) -> Break | None:
    low, end = read_bounds(consumer, position)
    found = find_break(position, place, identity, (low, end))
    if found and found.cause is Cause.TAIL_LOST and place.epoch < 0:
        # What has been stored since cannot be told from what was consumed.
        return found._replace(resume=Place(low, *identity))
    if place.epoch < 0 or (found and found.cause is Cause.MADE_ANEW):
        return found
    common = find_common_end(consumer, position, place, (low, end))
    if common == place.offset:
        return found
    resumed = Place(common, *identity, place.epoch)
    return Break(*position, Cause.TAIL_LOST, place, resumed)


def find_common_end(consumer: Consumer, position: Position, place: Place, bounds: tuple[int, int]) -> int:
    """Return the place's offset, or the smaller one behind the newest message of its epoch or an earlier one.

    What a broker loses, it loses before it starts, and what it stores after that is of a later epoch.
    """
    low, end = bounds
    below, step = min(place.offset, end), FIRST_STEP
    while below > low:
        start = max(low, below - step)
        seen = _read_epochs(consumer, position, start, below)
        if kept := [offset for offset, epoch in seen if epoch <= place.epoch]:
            return below if kept[-1] == seen[-1][0] else kept[-1] + 1
        if start == low:
            # Without any message there is nothing to compare, nor to read again.
            return low if seen else below
        step *= GROWTH
    return below


def new_looker(kafka: Kafka) -> Consumer:
    """Make the consumer that ``find_common_end`` takes."""
    return new_consumer(kafka, "reader", **{"enable.partition.eof": True, "fetch.wait.max.ms": 20})


def _read_epochs(consumer: Consumer, position: Position, start: int, below: int) -> list[tuple[int, int]]:
    """Read offset and leader epoch of each message from ``start`` on, before ``below``."""
    seen: list[tuple[int, int]] = []
    consumer.assign([TopicPartition(*position, start)])
    while True:
        message = consumer.poll(TIMEOUT_SECONDS)
        if message is None:
            raise BrokerError(f"nothing read from {position} in {TIMEOUT_SECONDS} s; is Kafka healthy?")
        offset, epoch, error = message.offset(), message.leader_epoch(), message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        if error is not None or offset is None or offset >= below:
            return seen
        seen.append((offset, -1 if epoch is None else epoch))
