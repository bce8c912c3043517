"""Stamps each alert's message with the times that its delay is made of, and reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from include.surveillance.records import Bar, NewsItem, Watermark


class LatencyStamps(NamedTuple):
    """Four times on an alert's way, UTC epoch ms; None where its message did not say.

    Attributes:
        polled_ms: when the record that raised it was asked for.
        appended_ms: when Kafka stored that record.
        detected_ms: when the micro-batch began that raised it.
        published_ms: when Kafka stored the alert.
    """

    polled_ms: int | None = None
    appended_ms: int | None = None
    detected_ms: int | None = None
    published_ms: int | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str], published_ms: int) -> LatencyStamps:
        """Read the stamps that ``stamp_headers`` wrote; a header that is no such time counts as missing."""

        def read(name: str) -> int | None:
            text = headers.get(name, "")
            return int(text) if text.isascii() and text.isdecimal() and len(text) <= 13 else None

        return cls(read("polled_ms"), read("appended_ms"), read("detected_ms"), published_ms)


def stamp_headers(record: Bar | Watermark | NewsItem, stored_ms: int, began_ms: int) -> dict[str, str]:
    """Write the stamps as headers: they differ from run to run, and the alert itself does not.

    Args:
        record: raised the alert; recorded ones do not say when they were asked for.
        stored_ms: when Kafka stored the record.
        began_ms: when the batch began that the record came in; both UTC epoch ms.
    """
    polled = {"polled_ms": str(record.polled_ms)} if record.polled_ms else {}
    return polled | {"appended_ms": str(stored_ms), "detected_ms": str(began_ms)}
