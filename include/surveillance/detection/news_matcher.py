"""Articles and bars of abnormal volume that belong together, whichever of the two comes first, as they stand now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.news_relevance import measure_relevance
from include.surveillance.detection.record_episodes import RecordEpisodes
from include.surveillance.detection.record_state import Article, VolumeBar
from include.surveillance.detection.rules.news_view import NewsView
from include.surveillance.detection.rules.record_rule import Finding, Verdict
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, NewsItem, Profile, Watermark
from include.surveillance.texts import LONGEST_TITLE, one_line
from include.surveillance.timespans import DAY_MS, SPAN_MS

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine

REMEMBERED = 32
"""Bars of abnormal volume per series that an article which comes late can still match."""
ARTICLES = 512
"""Articles per symbol that are still to match their bars: after a stop, polls bring news of days before the bars."""
WAITS_MS = 7 * DAY_MS
"""How long an article waits for bars of its time: after a stop of days, polls bring news before their bars, with bars
of other timespans between."""
SAME_STORY = 0.6  # share of three-word runs that two titles have in common
ORDER, AFTER_ALL = 20, 30  # among what one record raises, alerts of news come last, and behind them other tags


class NewsMatcher:
    """Matches the articles of one pass with its bars of abnormal volume; each bar with the first article that fits.

    Alerts are tagged here, too, because here articles and alerts go by in the order of the log.

    Bars, revisions and alerts are queued while they are evaluated, column by column; ``match`` then goes through them
    and the articles in the order of the log. An article that comes again with other values keeps its place among the
    others, and what rested on it is judged once more.

    Args:
        state: its articles and bars of abnormal volume are read and changed.

    Attributes:
        duplicates: articles that were known with these very values.
    """

    def __init__(self, engine: Engine, state: State, episodes: RecordEpisodes):
        self.engine, self.remembered, self.episodes = engine, state.record_state, episodes
        self.duplicates = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._symbols: set[str] = set()  # of what is queued

    def add_bar(self, log_index: int, key: SeriesKey, bar: VolumeBar) -> None:
        """Queue a new bar that fired abnormal_volume."""
        self._enqueue(log_index, ORDER, key[0], partial(self._match_bar, log_index, key, bar))

    def add_revision(self, log_index: int, key: SeriesKey, time: tuple[int, int], bars: list[VolumeBar]) -> None:
        """Queue a revision: of the bars from the one through the other start these fire abnormal_volume, no others."""
        self._enqueue(log_index, ORDER, key[0], partial(self._revise, log_index, key, time, bars))

    def add_alert(self, log_index: int, order: int, alert: Alert) -> None:
        """Queue an alert that is to be published, so that it is tagged by the articles that came before it."""
        self._enqueue(log_index, order, alert.symbol, partial(self.episodes.publish, log_index, order, alert))

    def match(self, articles: list[tuple[int, NewsItem]], watermarks: list[tuple[int, Watermark]]) -> None:
        """Match what is queued and ``articles`` in the order of the log, and forget by ``watermarks`` what is past.

        Args:
            articles, watermarks: of the pass, each with its log index.
        """
        for log_index, item in articles:
            self._enqueue(log_index, ORDER, item.symbol, partial(self._match_article, log_index, item))
        # Of the others there is nothing to forget, and a minute of the whole market has thousands.
        remembered = self._symbols | {name.partition("|")[0] for name in self.remembered.tagged}
        for log_index, it in watermarks:
            if it.symbol in remembered and it.source == "live":
                self._enqueue(log_index, AFTER_ALL, it.symbol, partial(self.episodes.tagging.forget, it))
        for *_, handle in sorted(self._queue, key=itemgetter(0, 1)):
            handle()

    def _enqueue(self, log_index: int, order: int, symbol: str, handle: Callable[[], None]) -> None:
        self._symbols.add(symbol)
        self._queue.append((log_index, order, handle))

    def _match_article(self, log_index: int, item: NewsItem) -> None:
        known = self.remembered.articles.setdefault(item.symbol, [])
        at = next((at for at, article in enumerate(known) if article.article_id == item.article_id), None)
        article = Article(
            item.article_id, item.event_id, item.published_ms, item.polled_ms, one_line(item.title, LONGEST_TITLE),
            None if item.withdrawn else item.sentiment, measure_relevance(item), novel=True, withdrawn=item.withdrawn,
        )  # fmt: skip
        if at is None:
            known.append(_judge_novelty(article, known))
            if len(known) > ARTICLES:
                # What is not negative has nothing to match.
                del known[next((at for at, other in enumerate(known) if other.sentiment != "negative"), 0)]
            for key, bars in self._volume_bars(item.symbol):
                for bar in bars:
                    self._match(log_index, key, known[-1], bar)
        elif known[at].event_id == item.event_id:
            self.duplicates += 1
            if item.polled_ms >= known[at].polled_ms + DAY_MS:
                # No overlap of polls: whoever asks for it so much later brings bars of its time, too.
                known[at] = replace(known[at], polled_ms=item.polled_ms)
            return
        else:
            before, known[at] = known[at], _judge_novelty(article, known[:at])
            for later in range(at + 1, len(known)):
                if _same_story(known[later], before) or _same_story(known[later], article):
                    known[later] = _judge_novelty(known[later], known[:later])
            for key, bars in self._volume_bars(item.symbol):
                self._settle(log_index, key, bars, {bar.ts_ms: bar.news_alert for bar in bars if bar.news_alert}, [])
        for alert in self.episodes.tagging.retag(item.symbol):
            self.episodes.raised.append((log_index, AFTER_ALL, alert))

    def _volume_bars(self, symbol: str) -> Iterator[tuple[SeriesKey, list[VolumeBar]]]:
        for timespan in SPAN_MS:
            if bars := self.remembered.volume_bars.get(f"{symbol}|{timespan}"):
                yield (symbol, timespan), bars

    def _match_bar(self, log_index: int, key: SeriesKey, bar: VolumeBar) -> None:
        bars = self.remembered.volume_bars.setdefault("|".join(key), [])
        bars.append(bar)
        del bars[:-REMEMBERED]
        # By when each came, not by the time that it is about: bars of another timespan may come days after this one.
        # In files, where nothing says when it came, all is in order of time.
        articles, since_ms = self.remembered.articles, max(bar.ts_ms, bar.polled_ms) - WAITS_MS
        if waiting := [it for it in articles.pop(key[0], ()) if max(it.published_ms, it.polled_ms) > since_ms]:
            articles[key[0]] = waiting
        for article in waiting:
            self._match(log_index, key, article, bar)

    def _match(self, log_index: int, key: SeriesKey, article: Article, bar: VolumeBar) -> None:
        if bar.news_alert is None and article.sentiment == "negative":
            verdict, profile = self._judge(key, article, bar)
            if isinstance(verdict, Finding):
                bar.news_alert = self.episodes.add_finding(log_index, ORDER, key, verdict, profile)

    def _judge(self, key: SeriesKey, article: Article, bar: VolumeBar) -> tuple[Verdict, Profile | None]:
        """Ask the rule in the form that the bar fired in; returns its verdict and the profile that it went by."""
        succession = self.engine.succession
        parameters, profile, _ = self.engine.in_force(key, bar.ts_ms)
        view = NewsView(*key, article, bar, partial(succession.name, succession.key(*key, bar.ts_ms)))
        if bar.form == "robust":
            return parameters.robust.news_impact.evaluate(view), profile
        return parameters.news_impact.evaluate(view), None

    def _revise(self, log_index: int, key: SeriesKey, time: tuple[int, int], bars: list[VolumeBar]) -> None:
        (first_ms, last_ms), name = time, "|".join(key)
        remembered = self.remembered.volume_bars.pop(name, [])
        before = [bar for bar in remembered if first_ms <= bar.ts_ms <= last_ms]
        # The ticker's other bars may be another instrument's.
        others = [bar for bar in remembered if not first_ms <= bar.ts_ms <= last_ms]
        alerts = {bar.ts_ms: bar.news_alert for bar in before if bar.news_alert is not None}
        standing = {bar.ts_ms for bar in bars}
        # Volume that was not abnormal after all had nothing to do with news.
        gone = [alert for ts_ms, alert in alerts.items() if ts_ms not in standing]
        if remembered := sorted([*others, *bars], key=attrgetter("ts_ms")):
            self.remembered.volume_bars[name] = remembered[-REMEMBERED:]
        self._settle(log_index, key, bars, alerts, gone)

    def _settle(
        self, log_index: int, key: SeriesKey, bars: list[VolumeBar], alerts: dict[int, Alert], gone: list[Alert]
    ) -> None:
        """Give bars the alerts that follow from what bars and articles are now.

        Args:
            alerts: by the start of the bar, as they were published.
            gone: those of them whose bars are gone.
        """
        articles, confirmed = self.remembered.articles.get(key[0], []), {}
        for bar in bars:
            bar.news_alert = None
            if alert := alerts.get(bar.ts_ms):
                if all(article.article_id != alert.article_id for article in articles):
                    confirmed[bar.ts_ms] = alert  # what it rests on is long past
                elif finding := self._find(key, articles, bar):
                    confirmed[bar.ts_ms] = self.episodes.confirm(log_index, ORDER, alert, finding)
                else:
                    gone.append(alert)
        retracted = {alert.episode_start_ms for alert in gone if self.episodes.retract(log_index, ORDER, alert)}
        for bar in bars:
            # With its episode retracted, a later bar is matched anew.
            if (alert := confirmed.get(bar.ts_ms)) and alert.episode_start_ms not in retracted:
                bar.news_alert = alert
            for article in articles:
                self._match(log_index, key, article, bar)

    def _find(self, key: SeriesKey, articles: list[Article], bar: VolumeBar) -> Finding | None:
        """Return what the first article finds that fits the bar."""
        verdicts = (self._judge(key, article, bar)[0] for article in articles if article.sentiment == "negative")
        return next((verdict for verdict in verdicts if isinstance(verdict, Finding)), None)


def _judge_novelty(article: Article, before: list[Article]) -> Article:
    """Say whether an article's story is new, after the articles before it in the log."""
    told = (other for other in before if other.sentiment == "negative")
    return replace(article, novel=not any(_same_story(article, other) for other in told))


def _same_story(article: Article, other: Article) -> bool:
    if not 0 <= article.published_ms - other.published_ms < DAY_MS:
        return False
    mine, theirs = _three_word_runs(article.title), _three_word_runs(other.title)
    return len(mine & theirs) >= SAME_STORY * len(mine | theirs)


def _three_word_runs(title: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", title.lower())
    return {tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}
