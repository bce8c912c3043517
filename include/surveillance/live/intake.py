"""Consumes bars and news: messages in the order of the log, as records or as rejects."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate, islice, repeat
from operator import attrgetter, itemgetter
from typing import NamedTuple

from include.surveillance import broker, wire
from include.surveillance.broker import Batch, Bounds, Closing, Kafka, Position, Reader, Received
from include.surveillance.places import Place
from include.surveillance.records import Bar, NewsItem, Reject, Watermark
from include.surveillance.validity import objection

WAKE_SECONDS = 0.1  # between looks at the one position while waiting for the other
# A poll of the whole market takes half a second to write. A batch that ends within it would leave the rest of the
# minute, and its alerts, to the next one.
POLL_SECONDS = 0.5
# Each look at what has come meanwhile asks Kafka where the log ends, and the poll that is awaited needs the processors.
LOOK_SECONDS = 0.05


# The latest time at which Kafka has stored the message or any before it in its position, its topic, its offset, itself.
_Ordered = tuple[int, str, int, Received]


class Intake(Closing):
    """Reads bars and news of one partition on and on.

    Args:
        start: as of ``broker.Reader``.
        clock_ms: topic -> the latest time at which Kafka has stored any message before ``start``.
    """

    def __init__(
        self,
        kafka: Kafka,
        start: Mapping[Position, Place | None],
        bounds: Bounds | None = None,
        clock_ms: Mapping[str, int] | None = None,
    ):
        self.clock_ms = dict(clock_ms or {})
        self._readers: list[Reader] = []
        try:
            for position, place in start.items():
                self._readers.append(Reader(kafka, {position: place}, bounds=bounds))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for reader in self._readers:
            reader.close()

    def read(self, limit: int, patience: float = 0.0) -> Batch:
        """Read at most ``limit`` messages of each position, in the order in which Kafka stored them over all positions.

        While there is none, wait for the first one, ``patience`` seconds at most. Whoever waits gets the rest of a live
        poll that is being written too, where it comes within ``POLL_SECONDS``.

        A broker's clock can step back. A message counts as stored no earlier than any before it in its position, so
        that the order within one never changes, however the log is cut into batches.

        Where one position has more to read than the limit, what the others hold of a later time waits for the next
        batch: a backlog meets its news as it did live.
        """
        until = time.monotonic() + patience
        batch = self._read(limit)
        while not batch.messages and self._wait(until):
            batch = self._read(limit)
        return self._complete(batch, limit, min(patience, POLL_SECONDS))

    def _complete(self, batch: Batch, limit: int, patience: float) -> Batch:
        """Return the batch with what comes until its newest bars have their watermark."""
        until = time.monotonic() + patience
        while len(batch.messages) < limit and _ends_within_poll(batch) and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
            batch = Batch(batch.messages + self._read(limit - len(batch.messages)).messages, self.places)
        return batch

    def _read(self, limit: int) -> Batch:
        parts = [self._order(reader.read(limit).messages) for reader in self._readers]
        # Of a position that may have more, only what is behind its last message is known.
        known = min((part[-1][:3] for part in parts if len(part) >= limit), default=None)
        ordered: list[_Ordered] = []
        for reader, part in zip(self._readers, parts, strict=True):
            cut = len(part) if known is None else bisect_right(part, known, key=itemgetter(0, 1, 2))
            if cut < len(part):
                reader.put_back([message for *_, message in part[cut:]])
            if cut:
                latest_ms, topic, *_ = part[cut - 1]
                self.clock_ms[topic] = latest_ms
                ordered += part[:cut]
        ordered.sort()
        return Batch([message for *_, message in ordered], self.places)

    @property
    def places(self) -> dict[Position, Place]:
        """Return for each position the place behind what ``read`` has returned."""
        return {position: place for reader in self._readers for position, place in reader.places.items()}

    def _order(self, messages: list[Received]) -> list[_Ordered]:
        """Put before each message of one position what it is sorted by."""
        if not messages:
            return []
        topic = messages[0].topic
        latest_ms = list_latest(messages, self.clock_ms.get(topic, 0))
        return list(zip(latest_ms, repeat(topic), map(attrgetter("offset"), messages), messages, strict=False))

    def _wait(self, until: float) -> bool:
        """Say whether a message is there before ``until``, of the monotonic clock."""
        while (left := until - time.monotonic()) > 0:
            if any(reader.wait(min(left, WAKE_SECONDS)) for reader in self._readers):
                return True
        return False


def _ends_within_poll(batch: Batch) -> bool:
    """Whether the newest message of the bars' topic is a live bar: its poll's watermark is still to come."""
    newest = next((message for message in reversed(batch.messages) if message.topic == broker.BARS), None)
    with suppress(wire.WireError):
        record = wire.decode(newest.value) if newest else None
        return isinstance(record, Bar) and record.source == "live"
    return False


def list_latest(messages: Iterable[Received], before_ms: int = 0) -> Iterator[int]:
    """Yield for each message of one position the latest time at which Kafka has stored it or any before it.

    Args:
        before_ms: that of the messages before.
    """
    return islice(accumulate(map(attrgetter("timestamp_ms"), messages), max, initial=before_ms), 1, None)


class Decoded(NamedTuple):
    """Usable records, when Kafka stored each (UTC epoch ms), and the other messages with reasons."""

    records: list[Bar | Watermark | NewsItem]
    stored_ms: list[int]
    rejects: list[Reject]


def decode_messages(messages: Iterable[Received]) -> Decoded:
    """Decode each message into a record that detection can work with, or into a Reject."""
    records, stored_ms, rejects = Decoded([], [], [])
    for message in messages:
        try:
            record = wire.decode(message.value)
        except wire.WireError as error:
            rejects.append(message.rejected("consume", "not a surveillance record", str(error)))
            continue
        if reason := objection(record):
            rejects.append(message.rejected("consume", reason, str(record)))
        else:
            records.append(record)  # type: ignore[arg-type]  # objection() objects to every other kind
            stored_ms.append(message.timestamp_ms)
    return Decoded(records, stored_ms, rejects)
