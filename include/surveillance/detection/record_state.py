"""What detection remembers of single records, beside the arrays of bars; part of the snapshot."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct, field

from include.surveillance.records import Alert, Source


class Episode(Struct):
    """A run of firings of one rule: its first and latest time, how many, and the highest severity so far."""

    start_ms: int
    last_ms: int
    firings: int
    peak: int


class VolumeBar(Struct):
    """A bar that fired abnormal_volume, kept for articles that are yet to come.

    ``news_alert`` is the alert of the article that it matched.
    """

    ts_ms: int
    event_id: str
    form: Literal["literal", "robust"]
    volume: float
    value: float
    threshold: float
    baseline: float
    exceedance: float
    polled_ms: int
    source: Source
    news_alert: Alert | None = field(default=None, name="told")


class Article(Struct, frozen=True):
    """A negative article about one symbol."""

    article_id: str
    event_id: str
    published_ms: int
    polled_ms: int
    title: str
    relevance: float
    novel: bool


class RecordState(Struct, kw_only=True):
    """What single records leave behind, for the records that follow them."""

    articles: dict[str, list[Article]] = field(default_factory=dict)  # per symbol
    volume_bars: dict[str, list[VolumeBar]] = field(default_factory=dict)  # per symbol|timespan
    episodes: dict[str, Episode] = field(default_factory=dict)  # per symbol|timespan|rule
    watermarks: dict[str, int] = field(default_factory=dict)  # per symbol|timespan, the latest live one

    def copy(self) -> RecordState:
        """Copy everything that is changed in place."""
        return _decoder.decode(_encoder.encode(self))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(RecordState)
