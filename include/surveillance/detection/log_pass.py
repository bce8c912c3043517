"""Records in the order of the log -> metrics and alerts, those of bars that come late or corrected included.

A late or corrected bar takes its place among the bars that can still be revised; these are evaluated once more, and
what differs is published again under the same ids: metrics with their new values, alerts as confirmed or retracted.

The engine may judge bars of one source only. Those of another are context: they are looked back on where they carry
their series on, and nothing that was judged changes by them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from include.surveillance.detection import alert_records, metric_records
from include.surveillance.detection.arrivals import Arrival, classify
from include.surveillance.detection.columns import BarColumns, SeriesKey, write_event_id
from include.surveillance.detection.coverage import Coverage
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.news_matcher import NewsMatcher
from include.surveillance.detection.record_episodes import RaisedAlert, RecordEpisodes
from include.surveillance.detection.rules.data_quality import DataQuality
from include.surveillance.detection.rules.feed_freshness import FeedFreshness
from include.surveillance.detection.rules.record_rule import FeedRule, Finding, WatermarkView
from include.surveillance.detection.rules.registry import VOLUME
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Bar, Metric, NewsItem, Watermark
from include.surveillance.timespans import SPAN_MS

LatestBar = tuple[int, int, str]
"""(log index, start, event id) of a bar that became the latest of its series."""


@dataclass
class Detection:
    """The output of one pass over records.

    Attributes:
        state: the input state, advanced; the input itself is unchanged.
        metrics: one per evaluated bar, and again for each that a late or corrected bar changed.
        alerts: see ``Alert.status``.
        raised_by: log index of the record that raised each alert.
        counts: bars, watermarks, news, other, duplicate, corrected, late, stale.
    """

    state: State
    metrics: list[Metric] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    raised_by: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def detect_records(engine: Engine, state: State, records: Iterable[Bar | Watermark | NewsItem]) -> Detection:
    """Work through records in log order; ``state`` is left as it is."""
    return LogPass(engine, state).detect(list(records))


class LogPass:
    """One pass over records. A log index is the index of a record among them."""

    def __init__(self, engine: Engine, state: State):
        self.engine, self.state = engine, state.copy()
        self.counts: Counter[str] = Counter()
        # By log index; sorted at the end, because bars are evaluated column by column.
        self.metrics: list[tuple[int, Metric]] = []
        self.raised: list[RaisedAlert] = []
        self.episodes = RecordEpisodes(engine, self.state, self.raised)
        self.news = NewsMatcher(engine, self.state, self.episodes)

    def detect(self, records: list[Bar | Watermark | NewsItem]) -> Detection:
        bars = [(i, record) for i, record in enumerate(records) if type(record) is Bar]
        watermarks = [(i, record) for i, record in enumerate(records) if type(record) is Watermark]
        articles = [(i, record) for i, record in enumerate(records) if type(record) is NewsItem]
        other = len(records) - len(bars) - len(watermarks) - len(articles)
        self.counts += Counter(bars=len(bars), watermarks=len(watermarks), news=len(articles), other=other)
        polled = [(i, self._series_of(watermark), watermark) for i, watermark in watermarks]
        self.before = self.state.latest_bars({key for _, key, _ in polled})
        self.arrived: dict[SeriesKey, list[LatestBar]] = {key: [] for key in self.before}
        self.coverage = Coverage(self.state.record_state, watermarks)
        self._detect_bars(bars)
        self.raised += self.coverage.settle()
        for log_index, key, watermark in polled:
            self._detect_watermark(log_index, watermark, key)
        for raised in self.raised:
            self.news.add_alert(*raised)
        self.raised.clear()
        self.news.match(articles, watermarks)
        self.counts["duplicate"] += self.news.duplicates
        self.metrics.sort(key=itemgetter(0))
        self.raised.sort(key=itemgetter(0, 1))
        return Detection(
            self.state,
            [metric for _, metric in self.metrics],
            [alert for *_, alert in self.raised],
            [log_index for log_index, *_ in self.raised],
            self.counts,
        )

    def _detect_bars(self, bars: list[tuple[int, Bar]]) -> None:
        """Evaluate all bars; of a series with watermarks, note each that carries it on or corrects its latest."""
        log_index = np.array([log_index for log_index, _ in bars], np.int64)
        columns = self.engine.succession.join(BarColumns.from_records([bar for _, bar in bars]))
        watched = np.array([key in self.arrived for key in columns.keys], bool)
        for new, corrected, stale in self._advance(columns, log_index):
            for at in new[watched[columns.code[new]]].tolist():
                number, bar = bars[at]
                self.arrived[columns.key(at)].append((number, bar.ts_ms, bar.event_id))
            for at in corrected[watched[columns.code[corrected]]].tolist():
                (number, bar), key = bars[at], columns.key(at)
                if bar.ts_ms == self._last_start(key, number):
                    self.arrived[key].append((number, bar.ts_ms, bar.event_id))
            self.counts["stale"] += len(stale)

    def _advance(
        self, columns: BarColumns, log_index: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Advance series by bars, in the order of the log.

        Step by step it yields which of them carry a series on, behind these which are corrected, and which are stale.
        """
        rows = self.state.rows_for(columns.keys)
        waiting = np.argsort(columns.code, kind="stable")
        while len(waiting):
            row = rows[columns.code[waiting]]
            ts, revision, live = columns.ts[waiting], columns.revision[waiting], columns.live[waiting]
            arrivals = classify(self.state, row, ts, revision, live, self.engine.judges)
            self.counts["duplicate"] += int(np.sum(arrivals == Arrival.DUPLICATE))
            new, stale = waiting[arrivals == Arrival.NEW], waiting[arrivals == Arrival.STALE]
            if len(new):
                self._evaluate(columns.take(new), rows, log_index[new])
            yield new, waiting[arrivals == Arrival.CORRECTED], stale
            for name, arrival in (("late", Arrival.LATE), ("corrected", Arrival.CORRECTED)):
                which = arrivals == arrival
                self.counts[name] += int(np.sum(which))
                if which.any():
                    revised = waiting[which]
                    self._revise(columns.take(revised), row[which], log_index[revised])
            waiting = waiting[arrivals == Arrival.WAITING]

    def _evaluate(self, bars: BarColumns, rows: np.ndarray, log_index: np.ndarray) -> None:
        evaluation = self.engine.evaluate(self.state, bars, rows)
        scanned = np.full(len(evaluation.scan), -1, np.int64)
        scanned[evaluation.fresh] = log_index[np.argsort(rows[bars.code], kind="stable")]
        measured = np.flatnonzero(evaluation.fresh)
        metrics = metric_records.build_metrics(evaluation, measured)
        self.metrics += zip(scanned[measured].tolist(), metrics, strict=True)
        firings = evaluation.fresh_firings
        raised_by, kinds = scanned[firings.index].tolist(), firings.kind.tolist()
        for f in np.flatnonzero(firings.effect).tolist():
            key = evaluation.scan.bars.key(int(firings.index[f]))
            outage = self.coverage.outage_before(key, raised_by[f])
            alert = alert_records.build_alert(self.engine, evaluation, firings, f, outage)
            self.raised.append((raised_by[f], kinds[f], alert))
            self.coverage.add_alert(raised_by[f], alert)
        for f in np.flatnonzero(firings.kind == VOLUME).tolist():
            bar = alert_records.build_volume_bar(self.engine, evaluation, firings, f)
            key = evaluation.scan.bars.key(int(firings.index[f]))
            self.news.add_bar(raised_by[f], key, bar)

    def _revise(self, bars: BarColumns, rows: np.ndarray, log_index: np.ndarray) -> None:
        """Insert one bar into each of ``rows`` and publish what that changes."""
        part = self.state.copy_rows(rows)
        before = self.engine.reconsider(part.copy())
        part.insert_bars(bars)
        after = self.engine.reconsider(part)
        self.state.write_rows(rows, part)
        for s, number in enumerate(log_index.tolist()):
            was = {metric.ts_ms: metric for metric in metric_records.build_metrics(before, before.evaluated(s))}
            evaluated, scanned = after.evaluated(s), after.scan.bars
            for metric in metric_records.build_metrics(after, evaluated):
                if was.get(metric.ts_ms) != metric:
                    self.metrics.append((number, metric))
            outage = self.coverage.outage_before(bars.key(s), number)
            for alert in alert_records.build_revisions(self.engine, before, after, s, outage):
                self.raised.append((number, 0, alert))
            standing = alert_records.build_volume_bars(self.engine, after, s)
            for code in np.unique(scanned.code[evaluated]).tolist():
                # Their instrument may have changed its ticker among them.
                starts = scanned.ts[evaluated[scanned.code[evaluated] == code]].tolist()
                bars_of_it = [bar for bar in standing if bar.ts_ms in starts]
                self.news.add_revision(number, scanned.keys[code], (starts[0], starts[-1]), bars_of_it)

    def _series_of(self, watermark: Watermark) -> SeriesKey:
        return self.engine.succession.key(watermark.symbol, watermark.timespan, watermark.as_of_ms)

    def _arrived_before(self, key: SeriesKey, log_index: int) -> LatestBar | None:
        """Return the latest bar that a series with watermarks has got in this pass before a place in the log."""
        earlier = bisect_left(self.arrived[key], log_index, key=itemgetter(0))
        return self.arrived[key][earlier - 1] if earlier else None

    def _last_start(self, key: SeriesKey, log_index: int) -> int | None:
        """Start of the latest bar of a series with watermarks before a place in the log."""
        if arrived := self._arrived_before(key, log_index):
            return arrived[1]
        stamp = self.before[key]
        return stamp[0] if stamp else None

    def _last_id(self, key: SeriesKey, log_index: int) -> str:
        """Event id of that bar, under the ticker that it had; empty for none."""
        if arrived := self._arrived_before(key, log_index):
            return arrived[2]
        stamp = self.before[key]
        return write_event_id(self.engine.succession.name(key, stamp[0]), stamp) if stamp else ""

    def _detect_watermark(self, log_index: int, watermark: Watermark, series: SeriesKey) -> None:
        key, last_ms = (watermark.symbol, watermark.timespan), self._last_start(series, log_index)
        if watermark.source == "live":
            watermarks, name = self.state.record_state.watermarks, "|".join(key)
            if watermark.as_of_ms <= watermarks.get(name, 0):
                self.counts["duplicate"] += 1
                return
            watermarks[name] = watermark.as_of_ms
            if last_ms is not None and _is_whole(watermark, last_ms):
                # As most are: no rule finds anything, so that what it would need is not looked up.
                if key in self.episodes.open:
                    for order, rule_name in enumerate((FeedFreshness.name, DataQuality.name), start=10):
                        self.episodes.end_quiet(log_index, order, key, rule_name, watermark.as_of_ms)
                return
        parameters, profile, date = self.engine.in_force(key, watermark.as_of_ms)
        view = WatermarkView(
            watermark=watermark,
            last_ms=last_ms,
            last_id=self._last_id(series, log_index),
            presence=None if profile is None else self.engine.calendar.regular_presence(profile),
            sessions=self.engine.sessions,
            renamed=self.engine.actions.is_given_up(watermark.symbol, date),
        )
        rules: tuple[FeedRule, ...] = (parameters.feed_freshness, parameters.data_quality)
        for order, rule in enumerate(rules, start=10):
            verdict = rule.evaluate(view)
            if isinstance(verdict, Finding):
                self.episodes.add_finding(log_index, order, key, verdict, profile)
            elif watermark.source == "live":
                self.episodes.end_quiet(log_index, order, key, rule.name, watermark.as_of_ms)


def _is_whole(watermark: Watermark, last_ms: int) -> bool:
    """Say whether a poll brought all up to its latest bar, of which the last one is there, and rejected none."""
    return not watermark.rejected and last_ms + SPAN_MS[watermark.timespan] >= watermark.as_of_ms
