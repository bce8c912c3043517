"""A place in a log: an offset, and what tells that log from another one of the same name."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class TopicIdentity(NamedTuple):
    """Kafka's id of a topic, and how many partitions it has."""

    topic_id: str
    partitions: int


class Place(NamedTuple):
    """Where in a partition a consumer goes on.

    Attributes:
        offset: of the next message.
        topic_id: Kafka's id of the topic; one that is made anew under the same name has another. "": unknown.
        partitions: how many the topic had; more of them move symbols to other partitions. 0: unknown.
        epoch: the leader epoch of the messages before. It rises whenever a broker starts, so a later one before the
            offset belongs to other messages than those that were consumed. -1: unknown.
    """

    offset: int
    topic_id: str = ""
    partitions: int = 0
    epoch: int = -1

    @property
    def identity(self) -> TopicIdentity:
        """Which log it is a place in."""
        return TopicIdentity(self.topic_id, self.partitions)


class Cause(StrEnum):
    """What has happened to a log since a place in it was stored."""

    MADE_ANEW = "made anew"
    TAIL_LOST = "tail lost"
    PARTITIONS_ADDED = "partitions added"


class Break(NamedTuple):
    """A stored place that the log does not have any more, and the last one that both have in common.

    What lies behind ``resume`` is read, some of it perhaps once more; nothing is skipped.
    """

    topic: str
    partition: int
    cause: Cause
    stored: Place
    resume: Place

    def describe(self) -> str:
        """Say what happened, as the first part of a sentence."""
        if self.cause is Cause.MADE_ANEW:
            return f"topic {self.topic} was made anew; offset {self.stored.offset} was of the former one"
        if self.cause is Cause.TAIL_LOST:
            return (
                f"topic {self.topic} has lost messages that were consumed: of partition {self.partition} those from "
                f"{self.resume.offset} to {self.stored.offset}"
            )
        return f"topic {self.topic} had {self.stored.partitions} partitions and has {self.resume.partitions} now"
