"""What an alert's delay is made of, as its message tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.surveillance.records import Bar, NewsItem, Watermark


class LatencyStamps(NamedTuple):
    """When an alert's newest bar was asked for and stored by Kafka, when the micro-batch that found the alert began,
    and when Kafka stored the alert: UTC epoch milliseconds, None when its message did not say."""

    polled_ms: int | None = None
    appended_ms: int | None = None
    detected_ms: int | None = None
    published_ms: int | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str], published_ms: int) -> LatencyStamps:
        """Read the stamps that ``stamp_headers`` wrote; a header that is no such time counts as missing."""
        texts = [headers.get(name, "") for name in cls._fields[:3]]
        stamps = [int(text) if text.isascii() and text.isdecimal() and len(text) <= 13 else None for text in texts]
        return cls(*stamps, published_ms)


def stamp_headers(record: Bar | Watermark | NewsItem, stored_ms: int, began_ms: int) -> dict[str, str]:
    """Where an alert's delay comes from, as headers: they are of this run, and the alert itself of any.

    When the record that raised it was asked for (recorded ones carry no such time) and stored, and when the batch that
    it came in began; all UTC epoch ms.
    """
    polled = {"polled_ms": str(record.polled_ms)} if record.polled_ms else {}
    return polled | {"appended_ms": str(stored_ms), "detected_ms": str(began_ms)}
