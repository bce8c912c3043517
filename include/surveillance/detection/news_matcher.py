"""Negative articles and bars of abnormal volume that belong together, whichever of the two comes first."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from include.surveillance.detection.alert_records import Revision
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.record_episodes import RecordEpisodes
from include.surveillance.detection.record_state import Article, VolumeBar
from include.surveillance.detection.rules.news_view import NewsView
from include.surveillance.detection.rules.record_rule import Finding, Verdict
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, NewsItem, Profile
from include.surveillance.texts import LONGEST_TITLE, one_line
from include.surveillance.timespans import DAY_MS, SPAN_MS

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine

REMEMBERED = 32
"""Bars of abnormal volume per series that an article which comes late can still match."""
ARTICLES = 512
"""Negative articles per symbol that are still to match their bars: a backfill brings news of weeks before its bars."""
SAME_STORY = 0.6  # share of three-word runs that two titles have in common
ORDER = 20  # among what one record raises, alerts of news come last


class NewsMatcher:
    """Matches the articles of one pass with its bars of abnormal volume; each bar with the first article that fits.

    Bars and revisions are queued while they are evaluated, column by column; ``match`` then goes through them and the
    articles in the order of the log.

    Args:
        state: its articles and bars of abnormal volume are read and changed.

    Attributes:
        duplicates: articles that were known with these very values.
    """

    def __init__(self, engine: Engine, state: State, episodes: RecordEpisodes):
        self.engine, self.remembered, self.episodes = engine, state.record_state, episodes
        self.duplicates = 0
        self._queue: list[tuple[int, Callable[[], None]]] = []

    def add_bar(self, log_index: int, key: SeriesKey, bar: VolumeBar) -> None:
        """Queue a new bar that fired abnormal_volume."""
        self._queue.append((log_index, partial(self._match_bar, log_index, key, bar)))

    def add_revision(
        self, log_index: int, key: SeriesKey, since_ms: int, bars: list[VolumeBar], revision: Revision
    ) -> None:
        """Queue a revision: from ``since_ms`` on these bars fire abnormal_volume now, and no others."""
        self._queue.append((log_index, partial(self._revise, log_index, key, since_ms, bars, revision)))

    def match(self, articles: list[tuple[int, NewsItem]]) -> None:
        """Match what is queued and ``articles``, (log index, article) each, in the order in which they came."""
        self._queue += [(log_index, partial(self._match_article, log_index, item)) for log_index, item in articles]
        for _, handle in sorted(self._queue, key=itemgetter(0)):
            handle()

    def _match_article(self, log_index: int, item: NewsItem) -> None:
        known = self.remembered.articles.get(item.symbol, [])
        earlier = next((article for article in known if article.article_id == item.article_id), None)
        if earlier is not None:
            if earlier.event_id == item.event_id:
                self.duplicates += 1
                return
            known.remove(earlier)
            if not known:
                del self.remembered.articles[item.symbol]
        if item.sentiment != "negative":
            return
        article = Article(
            item.article_id, item.event_id, item.published_ms, item.polled_ms, one_line(item.title, LONGEST_TITLE),
            _relevance(item),
            not any(_same_story(item, other) for other in known),
        )  # fmt: skip
        self.remembered.articles[item.symbol] = [*known, article][-ARTICLES:]
        for timespan in SPAN_MS:
            for bar in self.remembered.volume_bars.get(f"{item.symbol}|{timespan}", ()):
                self._match(log_index, (item.symbol, timespan), article, bar)

    def _match_bar(self, log_index: int, key: SeriesKey, bar: VolumeBar) -> None:
        bars = self.remembered.volume_bars.setdefault("|".join(key), [])
        bars.append(bar)
        del bars[:-REMEMBERED]
        # What is a day older than this bar has matched what it could; only a repeated story is still known by it.
        articles = self.remembered.articles
        if recent := [it for it in articles.pop(key[0], ()) if it.published_ms > bar.ts_ms - 2 * DAY_MS]:
            articles[key[0]] = recent
        for article in recent:
            self._match(log_index, key, article, bar)

    def _match(self, log_index: int, key: SeriesKey, article: Article, bar: VolumeBar) -> None:
        if bar.news_alert is None:
            verdict, profile = self._judge(key, article, bar)
            if isinstance(verdict, Finding):
                bar.news_alert = self.episodes.add_finding(log_index, ORDER, key, verdict, profile)

    def _judge(self, key: SeriesKey, article: Article, bar: VolumeBar) -> tuple[Verdict, Profile | None]:
        """Ask the rule in the form that the bar fired in; returns its verdict and the profile that it went by."""
        parameters, profile, _ = self.engine.in_force(key, bar.ts_ms)
        view = NewsView(*key, article, bar)
        if bar.form == "robust":
            return parameters.robust.news_impact.evaluate(view), profile
        return parameters.news_impact.evaluate(view), None

    def _revise(self, log_index: int, key: SeriesKey, since_ms: int, bars: list[VolumeBar], revision: Revision) -> None:
        def is_left(bar: VolumeBar) -> bool:
            # The last bars that can be revised are fewer than those that a volume is compared with.
            return revision.leaves(bar.source, since_ms, bar.ts_ms)

        name = "|".join(key)
        before = self.remembered.volume_bars.pop(name, [])
        left = [bar for bar in before if bar.ts_ms >= since_ms and is_left(bar)]
        bars = sorted([*left, *(bar for bar in bars if not is_left(bar))], key=attrgetter("ts_ms"))
        alerts = {bar.ts_ms: bar.news_alert for bar in before if bar.news_alert is not None}
        standing = {bar.ts_ms for bar in bars}
        # Volume that was not abnormal after all had nothing to do with news.
        retracted = {
            alert.episode_start_ms
            for ts_ms, alert in alerts.items()
            if ts_ms >= since_ms and ts_ms not in standing and self.episodes.retract(log_index, ORDER, alert)
        }
        articles = self.remembered.articles.get(key[0], [])
        for bar in bars:
            alert = alerts.get(bar.ts_ms)
            # With its episode retracted, a later bar is matched anew.
            if alert is not None and alert.episode_start_ms not in retracted:
                bar.news_alert = self._confirm(log_index, key, articles, bar, alert)
        if remembered := [*(bar for bar in before if bar.ts_ms < since_ms), *bars]:
            self.remembered.volume_bars[name] = remembered[-REMEMBERED:]
        for bar in bars:
            for article in articles:
                self._match(log_index, key, article, bar)

    def _confirm(self, log_index: int, key: SeriesKey, articles: list[Article], bar: VolumeBar, alert: Alert) -> Alert:
        """The alert of a bar that still stands, with the values that the bar has now."""
        article = next((article for article in articles if article.article_id == alert.article_id), None)
        verdict = self._judge(key, article, bar)[0] if article is not None else None
        return self.episodes.confirm(log_index, ORDER, alert, verdict) if isinstance(verdict, Finding) else alert


def _relevance(item: NewsItem) -> float:
    """1 when the article is about the ticker alone or names it in the title, else shared among its tickers."""
    if len(item.tickers) <= 1 or re.search(rf"\b{re.escape(item.symbol)}\b", item.title):
        return 1.0
    return 1 / len(item.tickers)


def _same_story(item: NewsItem, other: Article) -> bool:
    if not 0 <= item.published_ms - other.published_ms < DAY_MS:
        return False
    mine, theirs = _three_word_runs(item.title), _three_word_runs(other.title)
    return len(mine & theirs) >= SAME_STORY * len(mine | theirs)


def _three_word_runs(title: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", title.lower())
    return {tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}
