"""What an alert's delay is made of, as its message tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from include.surveillance.broker import Received


class Moments(NamedTuple):
    """When an alert's newest bar was asked for and stored by Kafka, when the micro-batch that found the alert began,
    and when Kafka stored the alert: UTC epoch milliseconds, None when its message did not say."""

    polled_ms: int | None = None
    appended_ms: int | None = None
    detected_ms: int | None = None
    published_ms: int | None = None

    @classmethod
    def of(cls, message: Received) -> Moments:
        """What the message carries; a header that is no such time counts as missing."""
        said = [message.headers.get(name, "") for name in cls._fields[:3]]
        found = [int(text) if text.isascii() and text.isdecimal() and len(text) <= 13 else None for text in said]
        return cls(*found, message.timestamp_ms)
