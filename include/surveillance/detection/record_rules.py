"""Single records: articles that meet bars of abnormal volume, watermarks that find the feed wanting, their episodes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from include.surveillance.alerts import severity as alerting
from include.surveillance.detection import alert_records
from include.surveillance.detection.columns import SeriesKey
from include.surveillance.detection.record_state import Article, Episode, VolumeBar
from include.surveillance.detection.rules.news_view import NewsView
from include.surveillance.detection.rules.record_rule import Finding, Verdict
from include.surveillance.detection.state import State
from include.surveillance.records import SEVERITIES, SPAN_MS, Alert, NewsItem, Profile

if TYPE_CHECKING:
    from include.surveillance.detection.engine import Engine

REMEMBERED = 32
"""Bars of abnormal volume per series that an article which comes late can still meet."""
ARTICLES = 512
"""Negative articles per symbol that are still to meet their bars: a backfill brings news of weeks before its bars."""
DAY_MS = 86_400_000
SAME_STORY = 0.6  # share of three-word runs that two titles have in common
NEWS_ORDER = 20


class RecordRules:
    """The part of one run that goes record by record, in the order of the log."""

    def __init__(self, engine: Engine, state: State, tell: Callable[[int, int, Alert], None]):
        self.engine, self.state, self.tell = engine, state, tell
        self.duplicates = 0
        # Bars of abnormal volume of this run by their place in the log, and revisions of them.
        self._bars: list[tuple[int, SeriesKey, VolumeBar]] = []
        self._revisions: list[tuple[int, SeriesKey, int, list[VolumeBar]]] = []

    def bar(self, place: int, key: SeriesKey, bar: VolumeBar) -> None:
        """A new bar fired abnormal_volume."""
        self._bars.append((place, key, bar))

    def revised(self, place: int, key: SeriesKey, since_ms: int, bars: list[VolumeBar]) -> None:
        """From ``since_ms`` on, these bars fire abnormal_volume now, and no others."""
        self._revisions.append((place, key, since_ms, bars))

    def news(self, items: list[tuple[int, NewsItem]]) -> None:
        """Let articles, bars and revisions meet in the order in which they came."""
        events = [(place, self._meet_bar, (key, bar)) for place, key, bar in self._bars]
        events += [(place, self._revise, (key, since_ms, bars)) for place, key, since_ms, bars in self._revisions]
        events += [(place, self._article, (item,)) for place, item in items]
        for place, handle, arguments in sorted(events, key=lambda event: event[0]):
            handle(place, *arguments)

    def fire(self, place: int, order: int, key: SeriesKey, verdict: Verdict, profile: Profile | None) -> Alert | None:
        """The alert of a finding, published when its episode opens or grows."""
        if not isinstance(verdict, Finding):
            return None
        points = float(alerting.score_exceedance(np.array([verdict.exceedance]))[0])
        peak = int(alerting.grade_scores(np.array([points]))[0])
        episodes, name = self.state.notes.episodes, f"{key[0]}|{key[1]}|{verdict.rule}"
        cooldown_ms = self.engine.book.base.cooldown_bars * SPAN_MS[key[1]]
        episode = episodes.get(name)
        if episode is None or verdict.ts_ms - episode.last_ms > cooldown_ms:
            episode = episodes[name] = Episode(verdict.ts_ms, verdict.ts_ms, 1, peak)
            publish = True
        elif verdict.ts_ms < episode.start_ms - cooldown_ms:
            # It comes late for a time before: an episode of its own.
            episode, publish = Episode(verdict.ts_ms, verdict.ts_ms, 1, peak), True
        else:
            episode.last_ms, episode.firings = max(episode.last_ms, verdict.ts_ms), episode.firings + 1
            publish = peak > episode.peak or episode.firings & (episode.firings - 1) == 0
            episode.peak = max(episode.peak, peak)
        alert = alert_records.alert_of(self.engine, key, verdict, episode, points, peak, profile)
        if publish:
            self.tell(place, order, alert)
        return alert

    def _article(self, place: int, item: NewsItem) -> None:
        known = self.state.notes.articles.get(item.symbol, [])
        held = next((article for article in known if article.article_id == item.article_id), None)
        if held is not None and held.event_id == item.event_id:
            self.duplicates += 1
            return
        if held is not None:
            known.remove(held)
            if not known:
                del self.state.notes.articles[item.symbol]
        if item.sentiment != "negative":
            return
        article = Article(
            item.article_id, item.event_id, item.published_ms, item.polled_ms, item.title, _relevance(item),
            not any(_same_story(item, other) for other in known),
        )  # fmt: skip
        self.state.notes.articles[item.symbol] = [*known, article][-ARTICLES:]
        for timespan in SPAN_MS:
            for bar in self.state.notes.volume_bars.get(f"{item.symbol}|{timespan}", ()):
                self._meet(place, (item.symbol, timespan), article, bar)

    def _meet_bar(self, place: int, key: SeriesKey, bar: VolumeBar) -> None:
        bars = self.state.notes.volume_bars.setdefault("|".join(key), [])
        bars.append(bar)
        del bars[:-REMEMBERED]
        # What is a day older than this bar has met what it could; only a repeated story is still known by it.
        articles = self.state.notes.articles
        if recent := [it for it in articles.pop(key[0], ()) if it.published_ms > bar.ts_ms - 2 * DAY_MS]:
            articles[key[0]] = recent
        for article in recent:
            self._meet(place, key, article, bar)

    def _meet(self, place: int, key: SeriesKey, article: Article, bar: VolumeBar) -> None:
        if bar.told is None:
            verdict, profile = self._together(key, article, bar)
            bar.told = self.fire(place, NEWS_ORDER, key, verdict, profile)

    def _together(self, key: SeriesKey, article: Article, bar: VolumeBar) -> tuple[Verdict, Profile | None]:
        """What the rule says of the two, and the profile that it went by."""
        number = self.engine.profile_at(key, bar.ts_ms)
        position = self.engine.calendar.locate(bar.ts_ms)
        parameters = self.engine.limits.resolve(position.date, key[0], number)
        rule = (parameters.robust if bar.form == "robust" else parameters).news_impact
        profile = self.engine.profiles[number] if bar.form == "robust" and number >= 0 else None
        return rule.evaluate(NewsView(*key, article, bar)), profile

    def _revise(self, place: int, key: SeriesKey, since_ms: int, now: list[VolumeBar]) -> None:
        name = "|".join(key)
        known = self.state.notes.volume_bars.get(name, [])
        told = {bar.ts_ms: bar.told for bar in known if bar.told is not None}
        standing = {bar.ts_ms for bar in now}
        withdrawn = {
            alert.episode_start_ms
            for ts_ms, alert in told.items()
            if ts_ms >= since_ms and ts_ms not in standing and self._withdraw(place, key, alert)
        }
        kept = [bar for bar in known if bar.ts_ms < since_ms]
        for bar in now:
            alert = told.get(bar.ts_ms)
            # With its episode taken back, what a later bar has to do with news is told anew.
            if alert is not None and alert.episode_start_ms not in withdrawn:
                bar.told = self._confirmed(place, key, bar, alert)
        self.state.notes.volume_bars.pop(name, None)
        if kept or now:
            self.state.notes.volume_bars[name] = [*kept, *now][-REMEMBERED:]
        for bar in now:
            for article in self.state.notes.articles.get(key[0], ()):
                self._meet(place, key, article, bar)

    def _confirmed(self, place: int, key: SeriesKey, bar: VolumeBar, told: Alert) -> Alert:
        """What was told of a bar, with the values that it has now."""
        articles = self.state.notes.articles.get(key[0], ())
        article = next((article for article in articles if article.article_id == told.article_id), None)
        verdict = self._together(key, article, bar)[0] if article is not None else None
        if not isinstance(verdict, Finding) or (verdict.value, verdict.threshold) == (told.value, told.threshold):
            return told
        points = alerting.score_exceedance(np.array([verdict.exceedance]))
        now = replace(
            told,
            value=verdict.value,
            threshold=verdict.threshold,
            baseline=verdict.baseline,
            score=float(points[0]),
            severity=SEVERITIES[int(alerting.grade_scores(points)[0])],
            event_ids=verdict.event_ids,
            explanation=verdict.explanation,
            status="confirmed",
            before_value=told.value,
            before_threshold=told.threshold,
        )
        if told.episode_start_ms == told.ts_ms:
            self.tell(place, NEWS_ORDER, now)
        return now

    def _withdraw(self, place: int, key: SeriesKey, told: Alert) -> bool:
        """The volume was not abnormal after all: neither is what it had to do with news; whether that was told."""
        name = f"{key[0]}|{key[1]}|news_impact"
        episode = self.state.notes.episodes.get(name)
        if told.episode_start_ms != told.ts_ms:
            return False
        if episode is not None and episode.start_ms == told.ts_ms:
            del self.state.notes.episodes[name]
        then = {"before_value": told.value, "before_threshold": told.threshold}
        self.tell(place, NEWS_ORDER, replace(told, status="retracted", **then))
        return True


def _relevance(item: NewsItem) -> float:
    """1 when the article is about the ticker alone or names it in the title, else shared among its tickers."""
    if len(item.tickers) <= 1 or re.search(rf"\b{re.escape(item.symbol)}\b", item.title):
        return 1.0
    return 1 / len(item.tickers)


def _same_story(item: NewsItem, other: Article) -> bool:
    if not 0 <= item.published_ms - other.published_ms < DAY_MS:
        return False
    mine, theirs = _shingles(item.title), _shingles(other.title)
    return len(mine & theirs) >= SAME_STORY * len(mine | theirs)


def _shingles(title: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", title.lower())
    return {tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}
