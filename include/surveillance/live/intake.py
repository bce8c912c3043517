"""Consumes bars and news: messages in the order of the log, as records or as rejects."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

from include.surveillance import wire
from include.surveillance.broker import Batch, Bounds, Closing, Kafka, Position, Reader, Received
from include.surveillance.records import Bar, NewsItem, Reject, Watermark
from include.surveillance.validity import objection

WAKE_SECONDS = 0.1  # between looks at the one position while waiting for the other


class Intake(Closing):
    """Reads bars and news of one partition on and on; the arguments are those of ``broker.Reader``."""

    def __init__(self, kafka: Kafka, start: Mapping[Position, int | None], bounds: Bounds | None = None):
        self._readers: list[Reader] = []
        try:
            for position, offset in start.items():
                self._readers.append(Reader(kafka, {position: offset}, bounds=bounds))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for reader in self._readers:
            reader.close()

    def read(self, limit: int, patience: float = 0.0) -> Batch:
        """Read at most ``limit`` messages of each position, in the order in which Kafka stored them over all positions.

        While there is none, wait for the first one, ``patience`` seconds at most.

        Where one position has more to read than the limit, what the others hold of a later time waits for the next
        batch: a backlog meets its news as it did live.
        """
        until = time.monotonic() + patience
        while True:
            batch = self._read(limit)
            if batch.messages or (left := until - time.monotonic()) <= 0:
                return batch
            self._wait(left)

    def _read(self, limit: int) -> Batch:
        parts = [reader.read(limit).messages for reader in self._readers]
        # The latest of all that was read, not the last message's: broker clocks can step back.
        latest_ms = [max(message.timestamp_ms for message in part) for part in parts if len(part) >= limit]
        messages: list[Received] = []
        for reader, part in zip(self._readers, parts, strict=True):
            cut = len(part)
            if latest_ms:
                later = (index for index, message in enumerate(part) if message.timestamp_ms > min(latest_ms))
                cut = next(later, cut)
                reader.put_back(part[cut:])
            messages += part[:cut]
        messages.sort(key=attrgetter("timestamp_ms", "topic", "offset"))
        offsets = {position: offset for reader in self._readers for position, offset in reader.next_offsets.items()}
        return Batch(messages, offsets)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if any(reader.wait(min(left, WAKE_SECONDS)) for reader in self._readers):
                return


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
