"""What a batch consumes: messages in the order of the log, as records or as rejects."""

from __future__ import annotations

from collections.abc import Iterable

from .. import broker, wire
from ..broker import Batch, Kafka, Position, Received
from ..models import Bar, NewsItem, Reject, Watermark
from .admission import objection


def read(kafka: Kafka, start: dict[Position, int | None], limit: int) -> Batch:
    """At most ``limit`` messages of each position, in the order in which Kafka stored them over all positions.

    Where one position has more to read than that, what the others hold of a later time waits for the next batch: a
    backlog meets its news as it did live.
    """
    batches = [broker.read(kafka, {position: offset}, limit=limit) for position, offset in start.items()]
    horizon = min((batch.messages[-1].timestamp_ms for batch in batches if len(batch.messages) >= limit), default=None)
    messages: list[Received] = []
    next_offsets: dict[Position, int] = {}
    for batch in batches:
        next_offsets |= batch.next_offsets
        for message in batch.messages:
            if horizon is not None and message.timestamp_ms > horizon:
                next_offsets[message.topic, message.partition] = message.offset
                break
            messages.append(message)
    messages.sort(key=lambda message: (message.timestamp_ms, message.topic, message.offset))
    return Batch(messages, next_offsets)


def decode(messages: Iterable[Received]) -> tuple[list[Bar | Watermark | NewsItem], list[Reject]]:
    """Usable records, and the rest with reasons."""
    records, rejects = [], []
    for message in messages:
        try:
            record = wire.decode(message.value)
        except wire.WireError as error:
            rejects.append(message.rejected("consume", "not a surveillance record", str(error)))
            continue
        if reason := objection(record):
            rejects.append(message.rejected("consume", reason, str(record)))
        else:
            records.append(record)
    return records, rejects
