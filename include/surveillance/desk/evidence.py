"""Evidence: the bars and the news around an alert, kept once as they were and named by their hash. Touches nothing."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from include.surveillance.records import AnyRecord, Bar, NewsItem
from include.surveillance.timespans import DAY_MS, HOUR_MS, MINUTE_MS, SPAN_MS, Timespan

# So many bars' time before the alert's bar and behind it, and news so long before and after.
BARS_BEFORE, BARS_AFTER, NEWS_MS = 120, 60, 2 * HOUR_MS
# Long bars are not waited for until Kafka has forgotten those before.
LONGEST_AFTER_MS = 7 * DAY_MS


class Subject(NamedTuple):
    """The alert that evidence is of: its id, what it is about, and the start of its bar in UTC epoch milliseconds."""

    alert_id: str
    symbol: str
    timespan: Timespan
    ts_ms: int

    @property
    def bars_ms(self) -> tuple[int, int]:
        """The starts of the bars that belong to it, [from, until) in UTC epoch ms; where there are none, of minutes."""
        span = SPAN_MS.get(self.timespan, MINUTE_MS)
        return self.ts_ms - BARS_BEFORE * span, self.ts_ms + span + bars_after_ms(self.timespan)

    @property
    def news_ms(self) -> tuple[int, int]:
        """When the news was published that belongs to it: [from, until)."""
        return self.ts_ms - NEWS_MS, self.ts_ms + NEWS_MS

    @property
    def since_ms(self) -> int:
        """Before this time nothing of it can have been known."""
        return min(self.bars_ms[0], self.news_ms[0])


class Evidence(Struct, frozen=True, kw_only=True):
    """What there was around one alert.

    Attributes:
        ts_ms: the start of the alert's bar.
        bars: of its symbol and timespan, by start, each as it was last told.
        news: of its symbol, by the time of publication, each as it was last told.
    """

    alert_id: str
    symbol: str
    timespan: Timespan
    ts_ms: int
    bars: tuple[Bar, ...]
    news: tuple[NewsItem, ...]


def bars_after_ms(timespan: Timespan) -> int:
    """Return how long behind its bar the bars of an alert go on."""
    return min(BARS_AFTER * SPAN_MS.get(timespan, MINUTE_MS), LONGEST_AFTER_MS)


def wait_ms(timespan: Timespan) -> int:
    """Return how long after the start of its bar everything around an alert is there."""
    return max(SPAN_MS[timespan] + bars_after_ms(timespan), NEWS_MS)


def gather(subject: Subject, records: Iterable[AnyRecord]) -> Evidence:
    """Gather what belongs to an alert from records in the order of the log, in which a later one replaces an earlier.

    Whatever does not belong to it is left out.
    """
    bars: dict[int, Bar] = {}
    news: dict[str, NewsItem] = {}
    (first, end), (earliest, latest) = subject.bars_ms, subject.news_ms
    for record in records:
        if isinstance(record, Bar):
            if (record.symbol, record.timespan) == (subject.symbol, subject.timespan) and first <= record.ts_ms < end:
                bars[record.ts_ms] = record
        elif isinstance(record, NewsItem) and record.symbol == subject.symbol:
            if earliest <= record.published_ms < latest:
                news[record.article_id] = record
            else:
                # It was published at another time, as is known now.
                news.pop(record.article_id, None)
    return Evidence(
        **subject._asdict(),
        bars=tuple(bars[ts_ms] for ts_ms in sorted(bars)),
        news=tuple(sorted(news.values(), key=lambda item: (item.published_ms, item.article_id))),
    )


def seal(evidence: Evidence) -> tuple[bytes, bytes]:
    """Return the SHA-256 of the evidence as JSON, and that JSON compressed."""
    text = msgspec.json.encode(evidence)
    return hashlib.sha256(text).digest(), zlib.compress(text)


def unseal(content: bytes) -> tuple[str, Evidence]:
    """Return the SHA-256 in hex digits of what was kept, and the evidence."""
    text = zlib.decompress(content)
    return hashlib.sha256(text).hexdigest(), msgspec.json.decode(text, type=Evidence)
