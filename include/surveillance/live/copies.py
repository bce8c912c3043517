"""Copies the whole log into a folder and back: topics, where its consumers go on, and the state of detection.

What comes later in a copy refers only to what is in it: first where the consumers go on, then the topics. What
detection has consumed and what it has published are of one moment between two of its transactions, so that a restored
detector goes on as after a restart: it publishes nothing twice, and rebuilds nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from include.surveillance import broker
from include.surveillance.broker import Kafka, Position
from include.surveillance.broker.client import as_broker_error, new_consumer, read_bounds
from include.surveillance.broker.copies import (
    Change,
    Renumbering,
    copy_partition,
    finish_topics,
    prepare_topics,
    restore_partition,
)
from include.surveillance.detection.shards import HEAD, move_places
from include.surveillance.detection.state import StateError
from include.surveillance.errors import BrokerError, ConfigurationError
from include.surveillance.live.detector import GROUP, list_partitions, positions_of
from include.surveillance.live.restore import name_message
from include.surveillance.places import Place, TopicIdentity

# What a transaction of detection writes, beside the offsets that it has consumed.
OUTPUTS = (broker.DETECTOR_STATE, broker.METRICS, broker.ALERTS, broker.REJECTED)
# Between two batches detection rests for moments at least, also in a backlog.
REST_SECONDS = 60.0
LOOK_SECONDS = 0.02


class Stored(Struct, frozen=True):
    """Where a group goes on in one partition."""

    group: str
    topic: str
    partition: int
    place: Place


class LogCopy(Struct, frozen=True):
    """What a copy of the log knows of itself.

    Attributes:
        topics: name -> identity of the topic that was copied.
        messages: name -> how many of each partition are in the copy.
        places: of the groups, in the log that was copied.
    """

    topics: dict[str, TopicIdentity]
    messages: dict[str, list[int]]
    places: list[Stored]

    @property
    def partitions(self) -> int:
        """How many partitions every topic has."""
        return len(next(iter(self.messages.values())))


def read_places(kafka: Kafka, group: str, positions: Iterable[Position]) -> list[Stored]:
    """Read where a group goes on, of the partitions where it has stored that."""
    places = broker.committed(kafka, group, list(positions))
    return [Stored(group, topic, partition, it) for (topic, partition), it in places.items() if it is not None]


def copy_log(kafka: Kafka, folder: Path, places: list[Stored]) -> LogCopy:
    """Copy every topic into the folder, a file for each partition, while whoever writes to them goes on.

    Args:
        places: of other groups than detection's, read before whatever they have stored elsewhere was copied.

    Raises:
        ConfigurationError: as of ``detector.list_partitions``.
        BrokerError: Kafka cannot be read, or detection is in a transaction all the time.
    """
    folder.mkdir()
    topics = broker.Identities(kafka)([spec.name for spec in broker.TOPICS])
    partitions = list_partitions(kafka)
    ends: dict[Position, int] = {}
    for partition in partitions:
        stored, found = _cut_detection(kafka, partition)
        places, ends = [*places, *stored], ends | found
    with as_broker_error(kafka, "read the ends of topics"), new_consumer(kafka, "reader") as consumer:
        for position in ((topic, partition) for topic in topics for partition in partitions):
            if position not in ends:
                ends[position] = read_bounds(consumer, position)[1]
    messages = {
        topic: [copy_partition(kafka, at, ends[at], name_file(folder, at)) for at in ((topic, it) for it in partitions)]
        for topic in topics
    }
    return LogCopy(topics, messages, places)


def prepare_log(kafka: Kafka, copy: LogCopy) -> None:
    """Make the topics ready to be restored.

    Raises:
        ConfigurationError: the topics have messages already, or the copy is of other topics than these.
        BrokerError: Kafka cannot be reached or refuses.
    """
    names = [spec.name for spec in broker.TOPICS]
    if unknown := sorted(set(names) ^ copy.topics.keys()):
        raise ConfigurationError(
            f"{', '.join(unknown)}: either the copy has the topic or this platform, not both; restore with the "
            "KAFKA_PREFIX and the version of the platform that were copied"
        )
    prepare_topics(kafka, copy.partitions)


def restore_log(kafka: Kafka, folder: Path, copy: LogCopy) -> Mapping[Position, Renumbering]:
    """Restore the topics and let every group and the state of detection go on at the same messages.

    ``prepare_log`` comes before.

    Returns:
        How places of the copied log become such of the restored one, for whoever has stored more of them.

    Raises:
        BrokerError: Kafka cannot be reached or refuses.
    """
    names = list(copy.topics)
    identities = broker.Identities(kafka)(names)
    numbers = {
        (topic, partition): Renumbering.of_file(
            copy.topics[topic], identities[topic], name_file(folder, (topic, partition))
        )
        for topic in names
        for partition in range(copy.partitions)
    }
    for position in numbers:
        change = _move_heads(numbers, position[1]) if position[0] == broker.DETECTOR_STATE else _keep
        restore_partition(kafka, position, name_file(folder, position), change)
    finish_topics(kafka)
    for group in {it.group for it in copy.places}:
        stored = {(it.topic, it.partition): it.place for it in copy.places if it.group == group}
        broker.commit(kafka, group, {at: numbers[at].move(place) for at, place in stored.items()})
    return numbers


def name_file(folder: Path, position: Position) -> Path:
    """Return the file that holds the copy of a partition."""
    topic, partition = position
    return folder / f"{topic}-{partition}.parquet"


def _cut_detection(kafka: Kafka, partition: int) -> tuple[list[Stored], dict[Position, int]]:
    """Find where a detector's inputs and outputs are between two of its transactions."""
    outputs = [(topic, partition) for topic in OUTPUTS]
    until = time.monotonic() + REST_SECONDS
    with (
        as_broker_error(kafka, f"look where detection of partition {partition} is"),
        new_consumer(kafka, "reader") as committed,
        new_consumer(kafka, "reader", **{"isolation.level": "read_uncommitted"}) as written,
    ):
        while True:
            before = read_places(kafka, GROUP, positions_of(partition))
            ends = {position: read_bounds(committed, position)[1] for position in outputs}
            # A commit is answered before every partition has its marker.
            settled = all(read_bounds(written, position)[1] == end for position, end in ends.items())
            if settled and read_places(kafka, GROUP, positions_of(partition)) == before:
                return before, ends
            if time.monotonic() > until:
                raise BrokerError(
                    f"detection of partition {partition} was in a transaction whenever it was looked at for "
                    f"{REST_SECONDS:.0f} s; copy again when its backlog is worked off, or pause DAG detect_anomalies"
                )
            time.sleep(LOOK_SECONDS)


def _move_heads(numbers: Mapping[Position, Renumbering], partition: int) -> Change:
    """Let the snapshots of a partition's state stand at the same messages of the restored log."""
    head = name_message(partition, HEAD).encode()

    def change(key: bytes | None, value: bytes | None) -> bytes | None:
        if key == head and value is not None:
            # What cannot be read now, the detector cannot read either: it says so and rebuilds its state.
            with suppress(StateError):
                return move_places(value, lambda topic, place: numbers[topic, partition].move(place))
        return value

    return change


def _keep(_: bytes | None, value: bytes | None) -> bytes | None:
    return value
