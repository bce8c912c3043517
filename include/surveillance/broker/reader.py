"""Reads positions to their end, once or on and on. Nothing here joins a group or commits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, cast

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from include.surveillance import wire
from include.surveillance.broker.client import (
    LOG,
    TIMEOUT_SECONDS,
    Closing,
    Kafka,
    Position,
    as_broker_error,
    key_text,
    list_partitions,
    new_consumer,
    partitions_at,
    read_bounds,
)
from include.surveillance.broker.identity import (
    Identities,
    as_error,
    check_place,
    find_common_end,
    new_looker,
)
from include.surveillance.errors import BrokerError
from include.surveillance.places import Break, Cause, Place, TopicIdentity
from include.surveillance.records import AnyRecord, Reject, as_text

# Messages taken from the client at once: fewer than the 700 new objects that make the garbage collector look, which
# otherwise costs as much as reading.
CHUNK = 500
NO_HEADERS: Mapping[str, str] = MappingProxyType({})  # one for all of the many that have none


class Received(msgspec.Struct, frozen=True, gc=False):
    """One message as read; ``timestamp_ms`` is when Kafka stored it, ``headers`` are empty unless asked for."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: bytes | None
    headers: Mapping[str, str] = NO_HEADERS

    def rejected(self, stage: str, reason: str, detail: str, event_id: str = "") -> Reject:
        """Make a Reject of this message that says where it lies."""
        raw, encoding = as_text(self.value or b"")
        return Reject(
            event_id=event_id,
            stage=stage,
            reason=reason,
            detail=f"{self.topic}[{self.partition}] offset {self.offset}: {detail}",
            raw=raw,
            encoding=encoding,
            symbol=self.key or None,
            polled_ms=self.timestamp_ms,
        )


class Batch(NamedTuple):
    """Messages in order per partition and, per partition read, the place to go on from."""

    messages: list[Received]
    places: dict[Position, Place]

    @property
    def offsets(self) -> dict[Position, int]:
        """The places without the identity of their logs."""
        return {position: place.offset for position, place in self.places.items()}


class Bounds(Closing):
    """Asks where partitions begin and end, and which log a topic is, over connections of its own.

    On the connection of a reader the question would wait behind the request for messages, which Kafka holds back
    while there is none.
    """

    def __init__(self, kafka: Kafka):
        self.kafka = kafka
        with as_broker_error(kafka, "read"):
            self._consumer = new_consumer(kafka, "reader")
        self.identify = Identities(kafka)

    def __call__(self, position: Position) -> tuple[int, int]:
        """Ask for the oldest offset and the end of what is committed, as they are now."""
        with as_broker_error(self.kafka, "read"):
            return read_bounds(self._consumer, position)

    def close(self) -> None:
        self._consumer.close()


class Reader(Closing):
    """Consumes from given places (None: the oldest) and reads on from where it stands.

    Args:
        bounds: is given to a reader that is kept open. What comes arrives within milliseconds; while nothing does,
            Kafka holds its requests back, so that it costs two of them a second. Without, read to the end and close.

    Raises:
        BrokerError: Kafka cannot be reached.
        LogBrokenError: a place is not in its log, now or later on; ``resume`` says where to go on.
    """

    def __init__(
        self,
        kafka: Kafka,
        positions: Mapping[Position, Place | None],
        *,
        bounds: Bounds | None = None,
        headers: bool = False,
    ):
        self.kafka, self._headers = kafka, headers
        # The end of a partition is announced after one empty request.
        settings = {"enable.partition.eof": True, "fetch.wait.max.ms": 500 if bounds else 20}
        self._assigned, self._ahead = False, list[Received]()
        with as_broker_error(kafka, "read"):
            self._consumer = new_consumer(kafka, "reader", **settings)
            self._ask = bounds or partial(read_bounds, self._consumer)
            self._identify = bounds.identify if bounds else None
            try:
                identities = (self._identify or Identities(kafka))({topic for topic, _ in positions})
                self._cursor = {
                    position: self._start(position, place, identities[position[0]])
                    for position, place in positions.items()
                }
            except BaseException:
                self.close()  # which also says in the log why Kafka did not answer
                raise

    def close(self) -> None:
        self._consumer.close()

    def read(self, limit: int = 50_000, timeout: float = TIMEOUT_SECONDS) -> Batch:
        """Read to each partition's end as it is now, at most ``limit`` messages, for at most ``timeout`` seconds.

        Raises:
            BrokerError: Kafka cannot be reached, or nothing arrived in time.
            LogBrokenError: where it stands is not in the log any more.
        """
        with as_broker_error(self.kafka, "read"):
            messages, self._ahead = self._ahead[:limit], self._ahead[limit:]
            if len(messages) < limit:
                self._read_to_end(messages, limit, timeout)
        return Batch(messages, self.places)

    def read_all(self, limit: int = 50_000) -> Iterator[Batch]:
        """Read batch after batch to each partition's end, which may move on meanwhile."""
        while (batch := self.read(limit)).messages:
            yield batch

    def wait(self, seconds: float) -> bool:
        """Say whether a message is there or comes within so many seconds; the next ``read`` returns it."""
        if not self._ahead:
            with as_broker_error(self.kafka, "read"):
                self._fetch(self._ahead, 1, seconds)
        return bool(self._ahead)

    def put_back(self, messages: list[Received]) -> None:
        """Let the next ``read`` return these again: the last messages that it returned."""
        self._ahead = [*messages, *self._ahead]

    @property
    def places(self) -> dict[Position, Place]:
        """Return for each position the place behind what ``read`` has returned."""
        places = dict(self._cursor)
        for message in reversed(self._ahead):
            position = message.topic, message.partition
            places[position] = places[position]._replace(offset=message.offset)
        return places

    def _read_to_end(self, messages: list[Received], limit: int, timeout: float) -> None:
        # Whoever reads once has just asked.
        identities = self._identify({topic for topic, _ in self._cursor}) if self._identify else {}
        ends = {}
        for position, place in self._cursor.items():
            bounds = self._ask(position)
            ends[position] = bounds[1]
            check_place(position, place, identities.get(position[0], place.identity), bounds)
        deadline = time.monotonic() + timeout
        while len(messages) < limit and any(self._cursor[position].offset < end for position, end in ends.items()):
            left = deadline - time.monotonic()
            if left <= 0:
                if messages:
                    return
                raise BrokerError(f"nothing read from {sorted(ends)} in {timeout} s; is Kafka healthy?")
            self._fetch(messages, limit - len(messages), left)

    def _fetch(self, into: list[Received], limit: int, seconds: float) -> None:
        """Append what the client holds, or the first message that comes within so many seconds."""
        if not self._assigned:
            self._consumer.assign(partitions_at(self._cursor))
            self._assigned = True
        # consume() alone waits out its timeout unless it can fill the whole list.
        first = self._consumer.poll(seconds)
        if first is None:
            return
        arrived = [first, *self._consumer.consume(min(limit, CHUNK) - 1, 0)]
        for message in arrived:
            if (error := message.error()) is None:
                into.append(self._received(message))
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
        ends: dict[Position, int] = {}
        epochs: dict[Position, int | None] = {}
        for message in reversed(arrived):
            position: Position = (message.topic(), message.partition())  # type: ignore[assignment]
            # The end may lie beyond the last message: transaction markers occupy offsets too. It has no epoch.
            ends.setdefault(position, (message.offset() or 0) + (0 if message.error() else 1))
            if position not in epochs and not message.error():
                epochs[position] = message.leader_epoch()
                if len(epochs) == len(self._cursor):
                    break
        for position, end in ends.items():
            self._move(position, end, epochs.get(position))

    def _move(self, position: Position, offset: int, epoch: int | None) -> None:
        place = self._cursor[position]
        if epoch is not None and epoch > place.epoch:
            # The broker has started anew since; it may have lost what lies before the place.
            if place.epoch >= 0:
                self._confirm(position, place)
            place = place._replace(epoch=epoch)
        self._cursor[position] = place._replace(offset=offset)

    def _confirm(self, position: Position, place: Place) -> None:
        """Raise LogBrokenError when the log has other messages before the place than were read."""
        bounds = self._ask(position)
        with new_looker(self.kafka) as looker:
            common = find_common_end(looker, position, place, bounds)
        if common < place.offset:
            raise as_error(Break(*position, Cause.TAIL_LOST, place, place._replace(offset=common)))

    def _received(self, message: Message[bytes, bytes]) -> Received:
        headers = NO_HEADERS
        if self._headers:
            sent = cast("list[tuple[str, bytes | None]]", message.headers() or ())
            headers = {name: (value or b"").decode(errors="replace") for name, value in sent}
        key, (_, timestamp_ms) = key_text(message.key()), message.timestamp()
        # Topic, partition and offset are None only in a message that has not been sent yet.
        return Received(
            message.topic(), message.partition(), message.offset(), timestamp_ms, key, message.value(), headers  # type: ignore[arg-type]
        )  # fmt: skip

    def _start(self, position: Position, place: Place | None, identity: TopicIdentity) -> Place:
        low, end = self._ask(position)
        if place is None:
            return Place(low, *identity)
        check_place(position, place, identity, (low, end))
        if place.offset < low:
            LOG.warning(
                "%s[%s]: offsets %s to %s are gone, retention was shorter than the outage",
                *position,
                place.offset,
                low,
            )
        return Place(max(place.offset, low), *identity, place.epoch)


def read(
    kafka: Kafka,
    positions: Mapping[Position, Place | None],
    *,
    limit: int = 50_000,
    timeout: float = TIMEOUT_SECONDS,
    headers: bool = False,
) -> Batch:
    """Read from each position (None: the oldest) to the partition's end as it is now, at most ``limit`` messages.

    After ``timeout`` seconds the batch is what has arrived so far. Joins no group and commits nothing.

    Raises:
        BrokerError: Kafka cannot be reached, or nothing arrived in time.
        LogBrokenError: a place is not in its log.
    """
    with Reader(kafka, positions, headers=headers) as reader:
        return reader.read(limit, timeout)


def read_all(
    kafka: Kafka, positions: Mapping[Position, Place | None], *, limit: int = 50_000, headers: bool = False
) -> Iterator[Batch]:
    """Read batch after batch from each position to the partition's end, which may move on meanwhile.

    Raises:
        BrokerError: as ``read`` does.
    """
    if not positions:
        return
    with Reader(kafka, positions, headers=headers) as reader:
        yield from reader.read_all(limit)


def newest_records(kafka: Kafka, topic: str, count: int = 2_000) -> list[AnyRecord]:
    """Decode the newest ``count`` messages of each partition; what cannot be decoded is left out.

    Whoever consumes the topic rejects and counts what is left out here.
    """
    with as_broker_error(kafka, f"find the end of {topic}"), new_consumer(kafka, "reader") as consumer:
        positions = [(topic, partition) for partition in list_partitions(consumer, topic)]
        ends = {position: read_bounds(consumer, position) for position in positions}
    starts = {position: Place(max(low, end - count)) for position, (low, end) in ends.items()}
    return _decodable(read(kafka, starts).messages)


def records_since(kafka: Kafka, topic: str, since_ms: int) -> Iterator[AnyRecord]:
    """Decode what Kafka has stored of a topic since then (UTC epoch ms); what cannot be decoded is left out.

    Only what is being read is held: two sessions of a market are millions.
    """
    for batch in read_all(kafka, places_since(kafka, topic, since_ms)):
        yield from _decodable(batch.messages)


def places_since(
    kafka: Kafka, topic: str, since_ms: int, partitions: Sequence[int] | None = None
) -> dict[Position, Place | None]:
    """Find the first message that Kafka has stored since then (UTC epoch ms) in each partition, or in some.

    A partition that has stored none since is left out.
    """
    with as_broker_error(kafka, f"find what {topic} has stored since {since_ms}"), new_consumer(kafka, "reader") as it:
        wanted = list_partitions(it, topic) if partitions is None else partitions
        starts = it.offsets_for_times([TopicPartition(topic, one, since_ms) for one in wanted], TIMEOUT_SECONDS)
    # A negative offset: nothing has been stored since.
    return {(topic, start.partition): Place(start.offset) for start in starts if start.offset >= 0}


def _decodable(messages: Iterable[Received]) -> list[AnyRecord]:
    records = []
    for message in messages:
        with suppress(wire.WireError):
            records.append(wire.decode(message.value))
    return records
