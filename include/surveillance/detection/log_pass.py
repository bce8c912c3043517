"""Records in the order of the log -> metrics and alerts, those of bars that come late or corrected included.

A late or corrected bar takes its place among the bars that can still be revised; these are evaluated once more, and
what differs is published again under the same ids: metrics with their new values, alerts as confirmed or retracted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from include.surveillance.detection import alert_records, metric_records
from include.surveillance.detection.arrivals import Arrival, classify
from include.surveillance.detection.columns import BarColumns, SeriesKey
from include.surveillance.detection.coverage import Coverage
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.news_matcher import NewsMatcher
from include.surveillance.detection.record_episodes import RaisedAlert, RecordEpisodes
from include.surveillance.detection.rules.record_rule import FeedRule, Finding, WatermarkView
from include.surveillance.detection.rules.registry import VOLUME
from include.surveillance.detection.state import State
from include.surveillance.records import Alert, Bar, Metric, NewsItem, Watermark

LatestBar = tuple[int, int, str]
"""(log index, start, event id) of a bar that carried its series on."""


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
        before = {key: self._latest_bar(key) for key in {self._series_of(it) for _, it in watermarks}}
        arrived: dict[SeriesKey, list[LatestBar]] = {key: [] for key in before}
        self.coverage = Coverage(self.state.record_state, watermarks)
        self._detect_bars(bars, arrived)
        self.raised += self.coverage.settle()
        for log_index, watermark in watermarks:
            key = self._series_of(watermark)
            earlier = bisect_left(arrived[key], log_index, key=itemgetter(0))
            last_ms, last_id = arrived[key][earlier - 1][1:] if earlier else before[key]
            self._detect_watermark(log_index, watermark, last_ms, last_id)
        self.news.match(articles)
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

    def _detect_bars(self, bars: list[tuple[int, Bar]], arrived: dict[SeriesKey, list[LatestBar]]) -> None:
        """Evaluate all bars; of those that carry a series of ``arrived`` on, note which they were."""
        log_index = np.array([log_index for log_index, _ in bars], np.int64)
        columns = self.engine.succession.join(BarColumns.from_records([bar for _, bar in bars]))
        rows = self.state.rows_for(columns.keys)
        watched = np.array([key in arrived for key in columns.keys], bool)
        waiting = np.argsort(columns.code, kind="stable")
        while len(waiting):
            row = rows[columns.code[waiting]]
            arrivals = classify(self.state, row, columns.ts[waiting], columns.revision[waiting])
            self.counts["duplicate"] += int(np.sum(arrivals == Arrival.DUPLICATE))
            self.counts["stale"] += int(np.sum(arrivals == Arrival.STALE))
            new = waiting[arrivals == Arrival.NEW]
            if len(new):
                self._evaluate(columns.take(new), rows, log_index[new])
                for at in new[watched[columns.code[new]]].tolist():
                    number, bar = bars[at]
                    arrived[columns.key(at)].append((number, bar.ts_ms, bar.event_id))
            for name, arrival in (("late", Arrival.LATE), ("corrected", Arrival.CORRECTED)):
                which = arrivals == arrival
                self.counts[name] += int(np.sum(which))
                if which.any():
                    self._revise(columns.take(waiting[which]), row[which], log_index[waiting[which]], arrival)
            waiting = waiting[arrivals == Arrival.WAITING]

    def _evaluate(self, bars: BarColumns, rows: np.ndarray, log_index: np.ndarray) -> None:
        evaluation = self.engine.evaluate(self.state, bars, rows)
        scanned = np.full(len(evaluation.scan), -1, np.int64)
        scanned[evaluation.fresh] = log_index[np.argsort(rows[bars.code], kind="stable")]
        metrics = metric_records.build_metrics(evaluation, np.flatnonzero(evaluation.fresh))
        self.metrics += zip(scanned[evaluation.fresh].tolist(), metrics, strict=True)
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
            self.news.add_bar(raised_by[f], evaluation.scan.bars.key(int(firings.index[f])), bar)

    def _revise(self, bars: BarColumns, rows: np.ndarray, log_index: np.ndarray, arrival: Arrival) -> None:
        """Insert one bar into each of ``rows`` and publish what that changes."""
        part = self.state.copy_rows(rows)
        before = self.engine.reconsider(part.copy())
        part.insert_bars(bars)
        after = self.engine.reconsider(part)
        self.state.write_rows(rows, part)
        for s, number in enumerate(log_index.tolist()):
            was = {metric.ts_ms: metric for metric in metric_records.build_metrics(before, before.evaluated(s))}
            for metric in metric_records.build_metrics(after, after.evaluated(s)):
                if was.get(metric.ts_ms) != metric:
                    self.metrics.append((number, metric))
            corrects = arrival is Arrival.CORRECTED
            revision = alert_records.Revision(int(bars.ts[s]), bool(bars.live[s]), corrects)
            outage = self.coverage.outage_before(bars.key(s), number)
            for alert in alert_records.build_revisions(self.engine, before, after, s, revision, outage):
                self.raised.append((number, 0, alert))
            standing = alert_records.build_volume_bars(self.engine, after, s)
            since_ms = int(after.scan.bars.ts[after.scan.segments.evaluate_from[s]])
            ticker = self.engine.succession.name(bars.key(s), revision.ts_ms)
            self.news.add_revision(number, ticker, since_ms, standing, revision)

    def _series_of(self, watermark: Watermark) -> SeriesKey:
        return self.engine.succession.key(watermark.symbol, watermark.timespan, watermark.as_of_ms)

    def _latest_bar(self, key: SeriesKey) -> tuple[int | None, str]:
        """Start and event id of a series' latest bar, under the ticker that it had; None before the first."""
        ts_ms, event_id = self.state.latest_bar(key)
        if ts_ms is None:
            return None, ""
        symbol, _ = self.engine.succession.name(key, ts_ms)
        return ts_ms, f"{symbol}{event_id[len(key[0]) :]}"

    def _detect_watermark(self, log_index: int, watermark: Watermark, last_ms: int | None, last_id: str) -> None:
        key = watermark.symbol, watermark.timespan
        if watermark.source == "live":
            watermarks, name = self.state.record_state.watermarks, "|".join(key)
            if watermark.as_of_ms <= watermarks.get(name, 0):
                self.counts["duplicate"] += 1
                return
            watermarks[name] = watermark.as_of_ms
        parameters, profile, date = self.engine.in_force(key, watermark.as_of_ms)
        view = WatermarkView(
            watermark=watermark,
            last_ms=last_ms,
            last_id=last_id,
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
