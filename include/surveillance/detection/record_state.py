"""What detection remembers of single records, beside the arrays of bars; part of the snapshot."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from include.surveillance.detection.columns import BarStamp, write_event_id
from include.surveillance.records import Alert, Sentiment, Source

T = TypeVar("T")


class Episode(Struct):
    """A run of firings of one rule: its first and latest time, how many, and the highest severity so far.

    ``newest`` is the alert of its latest firing, where its end is going to be told.
    """

    start_ms: int
    last_ms: int
    firings: int
    peak: int
    newest: Alert | None = None


class VolumeBar(Struct):
    """A bar that fired abnormal_volume, kept for articles yet to come; ``news_alert`` is of the one that it matched."""

    ts_ms: int
    rests_on: tuple[BarStamp, ...]  # the bars of value and threshold, its own first
    form: str
    value: float
    threshold: float
    baseline: float
    exceedance: float
    polled_ms: int
    source: Source
    news_alert: Alert | None = field(default=None, name="told")


class Article(Struct, frozen=True):
    """An article about one symbol as it stands."""

    article_id: str
    event_id: str
    published_ms: int
    polled_ms: int
    title: str
    sentiment: Sentiment | None  # None where it is unknown, or the article withdrawn
    relevance: float
    novel: bool  # no negative one before it in the log tells the same story
    withdrawn: bool = False


class TaggedAlert(Struct, frozen=True):
    """An alert as it was published last, which news may tag again.

    Where its ``event_ids`` are bars of its series, which are most of its bytes, it has none of them but how long before
    the alert's bar each started, in ms, and the revision of each.
    """

    alert: Alert
    starts: tuple[int, ...] = ()
    revisions: tuple[int, ...] = ()

    @classmethod
    def of(cls, alert: Alert) -> TaggedAlert:
        series = f"{alert.symbol}|{alert.timespan}|"
        if not all(event_id.startswith(series) for event_id in alert.event_ids):
            return cls(alert)
        stamps = [event_id.removeprefix(series).split("|") for event_id in alert.event_ids]
        starts = tuple(alert.ts_ms - int(ts_ms) for ts_ms, _ in stamps)
        return cls(replace(alert, event_ids=()), starts, tuple(int(revision, 16) for _, revision in stamps))

    def whole(self) -> Alert:
        """Return the alert with its ``event_ids``."""
        alert, stamps = self.alert, zip(self.starts, self.revisions, strict=True)
        series = alert.symbol, alert.timespan
        bars = tuple(write_event_id(series, (alert.ts_ms - start, revision)) for start, revision in stamps)
        return replace(alert, event_ids=bars) if bars else alert


class RecordState(Struct, kw_only=True):
    """What single records leave behind, for the records that follow them."""

    articles: dict[str, list[Article]] = field(default_factory=dict)  # per symbol, in the order of the log
    volume_bars: dict[str, list[VolumeBar]] = field(default_factory=dict)  # per symbol|timespan
    episodes: dict[str, Episode] = field(default_factory=dict)  # per symbol|timespan|rule, a backfill's with |backfill
    watermarks: dict[str, int] = field(default_factory=dict)  # per symbol|timespan, the latest live one
    outages: dict[str, tuple[int, int]] = field(default_factory=dict)  # per symbol|timespan, the latest that is known
    waiting: dict[str, list[Alert]] = field(default_factory=dict)  # per symbol|timespan, see ``coverage``
    tagged: dict[str, list[TaggedAlert]] = field(default_factory=dict)  # per symbol|timespan, see ``tagging``

    def copy(self) -> RecordState:
        """Copy it; neither changes with the other. What cannot be changed is shared: each batch makes a copy."""
        return RecordState(
            articles=_copy_lists(self.articles),
            volume_bars={name: [copy(bar) for bar in bars] for name, bars in self.volume_bars.items()},
            episodes={name: copy(episode) for name, episode in self.episodes.items()},
            watermarks=dict(self.watermarks),
            outages=dict(self.outages),
            waiting=_copy_lists(self.waiting),
            tagged=_copy_lists(self.tagged),
        )


def _copy_lists(lists: dict[str, list[T]]) -> dict[str, list[T]]:
    return {name: [*those] for name, those in lists.items()}
