"""One engine for live, backfill and replay: records in log order + state -> metrics, alerts, new state.

Pure: no clock, no I/O. Time comes from the records, so the same records give the same output, bit for bit, however
they are cut into batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from .. import alerts as alerting
from ..models import SPAN_MS, Alert, Bar, Metric, NewsItem, Split, Watermark
from ..sessions import Sessions
from .measuring import measure
from .parameters import Parameters
from .placing import Place, Placing
from .rules import Firing, WatermarkView
from .rules.news_impact import NewsView
from .rules.rule import times_limit
from .series import REMEMBERED, Arrival, Article, Series, VolumeBar
from .state import State
from .working import Working


@dataclass
class Detection:
    """What one run found.

    Attributes:
        metrics: one per evaluated bar.
        alerts: one per episode that began.
        firings: one per record and rule that fired; those of one episode share an id. Includes ``alerts``.
        state: the input state, advanced; the input itself is unchanged.
        counts: bars, watermarks, news, other, duplicate, corrected, late, stale.
    """

    state: State
    metrics: list[Metric] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    firings: list[Alert] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Engine:
    """The rules with their parameters, the market's sessions and the splits known.

    Bars are evaluated in order of their start. A bar that comes again unchanged is counted and ignored. One that comes
    late or corrected inside the window takes its place there for the bars to come, and is counted; what was already
    measured stays. One older than the window is counted only.
    """

    def __init__(self, parameters: Parameters, sessions: Sessions, splits: Iterable[Split] = ()):
        self.parameters, self.sessions = parameters, sessions
        self.splits: dict[str, list[Split]] = {}
        for split in sorted(splits, key=lambda split: split.execution_date):
            self.splits.setdefault(split.symbol, []).append(split)
        self._place = lru_cache(maxsize=1 << 16)(Placing(sessions).place)
        self._bar_rules = (
            parameters.abnormal_volume,
            parameters.volatility_spike,
            parameters.price_breakout,
            parameters.price_gap,
        )
        self._watermark_rules = (parameters.feed_freshness, parameters.data_quality)

    def run(self, state: State, records: Iterable[Bar | Watermark | NewsItem]) -> Detection:
        """Work through records in log order; ``state`` is left as it is."""
        return _Run(self, state).consume(records)


class _Run:
    """One pass over records."""

    def __init__(self, engine: Engine, state: State):
        self.engine, self.parameters = engine, engine.parameters
        self.working = Working(state)
        self.found = Detection(self.working.state)

    def consume(self, records: Iterable[Bar | Watermark | NewsItem]) -> Detection:
        counts = self.found.counts
        for record in records:
            kind = type(record)
            if kind is Bar:
                counts["bars"] += 1
                self.bar(record)
            elif kind is Watermark:
                counts["watermarks"] += 1
                self.watermark(record)
            elif kind is NewsItem:
                counts["news"] += 1
                self.news(record)
            else:
                counts["other"] += 1
        return self.found

    def bar(self, bar: Bar) -> None:
        series, capacity = self.working.series(bar.symbol, bar.timespan), self.parameters.capacity
        place = self.engine._place(bar.ts_ms, bar.timespan)
        arrival = series.arrival(bar, capacity)
        if self.parameters.session_reset and place.date_new_york != series.date:
            if arrival is Arrival.NEW:
                series.restart()
                series.date = place.date_new_york
            else:
                arrival = Arrival.STALE
        if arrival is not Arrival.NEW:
            self.found.counts[arrival.value] += 1
            if arrival in (Arrival.LATE, Arrival.CORRECTED):
                series.amend(bar, capacity)
                if place.regular and bar.ts_ms >= series.regular_ts:
                    _close_regular(series, bar, place)
            return
        self.evaluate(series, bar, place)

    def evaluate(self, series: Series, bar: Bar, place: Place) -> None:
        view = measure(series, bar, place, self.parameters, self.engine.splits.get(bar.symbol, ()))
        metric = view.metric
        self.found.metrics.append(metric)
        for rule in self.engine._bar_rules:
            verdict = rule.evaluate(view)
            if verdict.__class__ is Firing:
                alert = self.fire(series, bar.symbol, bar.timespan, verdict, place)
                if verdict.rule == "abnormal_volume":
                    self.remember(series, bar, verdict, alert.episode_start_ms)
        if metric.return_std is not None:
            series.history.add(metric.return_std)
        series.append(bar, metric.volume, metric.log_return, self.parameters.capacity)
        if place.regular:
            _close_regular(series, bar, place)

    def watermark(self, watermark: Watermark) -> None:
        known = self.working.knows(watermark.symbol, watermark.timespan)
        series = self.working.series(watermark.symbol, watermark.timespan)
        if watermark.source == "live":
            if watermark.as_of_ms <= series.as_of_ms:
                self.found.counts["duplicate"] += 1
                return
            series.as_of_ms = watermark.as_of_ms
        view = WatermarkView(watermark, series if known else None, self.engine.sessions)
        for rule in self.engine._watermark_rules:
            verdict = rule.evaluate(view)
            if verdict.__class__ is Firing:
                place = self.engine._place(watermark.as_of_ms, "minute")
                self.fire(series, watermark.symbol, watermark.timespan, verdict, place)

    def news(self, item: NewsItem) -> None:
        known = self.working.articles(item.symbol)
        held = next((article for article in known if article.article_id == item.article_id), None)
        if held is not None and held.event_id == item.event_id:
            self.found.counts["duplicate"] += 1
            return
        if held is not None:
            known.remove(held)
        if item.sentiment != "negative":
            return
        met = held.met if held is not None else []
        article = Article(item.article_id, item.event_id, item.published_ms, item.polled_ms, item.title, met)
        known.append(article)
        del known[:-REMEMBERED]
        for timespan in SPAN_MS:
            if self.working.knows(item.symbol, timespan):
                series = self.working.series(item.symbol, timespan)
                for bar in series.volume_bars:
                    self.meet(series, item.symbol, timespan, article, bar)

    def remember(self, series: Series, bar: Bar, firing: Firing, episode_start_ms: int) -> None:
        """Keep an abnormal bar for articles to come, and let it meet those that are here."""
        volume_bar = VolumeBar(
            bar.ts_ms,
            bar.event_id,
            firing.value,
            firing.baseline or 0.0,
            firing.threshold,
            times_limit(firing.value, firing.threshold),
            episode_start_ms,
            bar.polled_ms,
            bar.source,
        )
        series.volume_bars.append(volume_bar)
        del series.volume_bars[:-REMEMBERED]
        for article in self.working.articles(bar.symbol):
            self.meet(series, bar.symbol, bar.timespan, article, volume_bar)

    def meet(self, series: Series, symbol: str, timespan: str, article: Article, bar: VolumeBar) -> None:
        episode = f"{timespan}|{bar.episode_start_ms}"
        if episode in article.met:
            return
        verdict = self.parameters.news_impact.evaluate(NewsView(symbol, timespan, article, bar))
        if verdict.__class__ is Firing:
            self.fire(series, symbol, timespan, verdict, self.engine._place(bar.ts_ms, timespan))
            article.met.append(episode)

    def fire(self, series: Series, symbol: str, timespan: str, firing: Firing, place: Place) -> Alert:
        cooldown_ms = self.parameters.cooldown_bars * SPAN_MS[timespan]
        start_ms, opened = alerting.join_episode(series.episodes, firing, cooldown_ms)
        alert = alerting.alert(
            firing,
            symbol=symbol,
            timespan=timespan,
            episode_start_ms=start_ms,
            phase=place.phase,
            date=place.session_date,
            parameters_version=self.parameters.version,
        )
        self.found.firings.append(alert)
        if opened:
            self.found.alerts.append(alert)
        return alert


def _close_regular(series: Series, bar: Bar, place: Place) -> None:
    series.regular_ts, series.regular_close = bar.ts_ms, bar.close
    series.regular_date, series.regular_id = place.session_date, bar.event_id
