"""What explains an alert: a pure function of the alert and of what the log and the reference data know around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from include.surveillance.records import Alert, Tag
from include.surveillance.timespans import HOUR_MS, MINUTE_MS

NEWS_BEFORE_MS, NEWS_AFTER_MS = 24 * HOUR_MS, 2 * HOUR_MS
"""From how long before a bar's close to how long after it an article explains it."""
LEAST_RELEVANCE = 0.25
"""An article about more than four tickers that does not name the company explains none of them."""
MOST_ARTICLES = 3
AROUND_AUCTIONS_MS = 30 * MINUTE_MS, HOUR_MS
"""After the open and before the close: where the days of the calendar bring volume."""
VOLUME_RULES = frozenset({"abnormal_volume", "news_impact"})


class Story(NamedTuple):
    """An article about the alert's symbol.

    Attributes:
        published_ms: UTC epoch ms.
        sentiment: positive, neutral, negative, or unknown.
        relevance: share of it that is about the symbol, 0-1, as ``news_relevance`` gives it.
    """

    article_id: str
    published_ms: int
    sentiment: str
    relevance: float


class Context(NamedTuple):
    """What is known around an alert.

    Attributes:
        stories: in any order.
        scheduled: ids of what was scheduled for the alert's time: results, dividends and the like.
        days: what the session is by the calendar, see ``scheduled_days``.
        open_ms, close_ms: of the alert's session; 0: none.
        market_event: what of the market explains the alert: its benchmark, or the id of an event.
        actions: ids of the splits and changes of ticker on the session's date.
    """

    stories: Iterable[Story] = ()
    scheduled: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    open_ms: int = 0
    close_ms: int = 0
    market_event: str | None = None
    actions: tuple[str, ...] = ()


def decide_tag(alert: Alert, context: Context) -> tuple[Tag, tuple[str, ...]]:
    """Decide what explains an alert, and cite all that does: the tag is that of the first that there is.

    Evidence reads ``results|ADBE|2009-09-15``, ``expiry|2010-05-21``, ``news|ARTICLE|-35 min|negative`` (35 minutes
    before the bar's close), ``market_event|...``, ``halt|FROM|TO`` (epoch ms), ``split|NVDA|2024-06-10``.
    """
    found: list[tuple[Tag, str]] = [("scheduled", event) for event in context.scheduled]
    if alert.rule in VOLUME_RULES and _is_near_auction(alert, context):
        found += [("scheduled", f"{day}|{alert.session_date}") for day in context.days]
    found += [("news", _cite(alert, story)) for story in _select_stories(alert, context.stories)]
    if context.market_event:
        found.append(("market", context.market_event))
    if alert.hole_cause in ("halt", "LULD pause"):
        found.append(("halt", f"{alert.hole_cause}|{alert.hole_start_ms}|{alert.hole_end_ms}"))
    found += [("corporate action", action) for action in context.actions]
    return (found[0][0] if found else "unexplained"), tuple(evidence for _, evidence in found)


def _select_stories(alert: Alert, stories: Iterable[Story]) -> list[Story]:
    """Select the articles that are most about the symbol, the nearest first."""
    close_ms = alert.bar_close_ms
    near = [
        story
        for story in stories
        if story.relevance >= LEAST_RELEVANCE
        and close_ms - NEWS_BEFORE_MS <= story.published_ms <= close_ms + NEWS_AFTER_MS
    ]
    near.sort(key=lambda story: (-story.relevance, abs(story.published_ms - close_ms), story.article_id))
    return near[:MOST_ARTICLES]


def _cite(alert: Alert, story: Story) -> str:
    minutes = round((story.published_ms - alert.bar_close_ms) / MINUTE_MS)
    return f"news|{story.article_id}|{minutes:+d} min|{story.sentiment}"


def _is_near_auction(alert: Alert, context: Context) -> bool:
    after_open, before_close = AROUND_AUCTIONS_MS
    return (
        alert.timespan == "day"
        or context.open_ms <= alert.ts_ms < context.open_ms + after_open
        or context.close_ms - before_close <= alert.ts_ms <= context.close_ms
    )
