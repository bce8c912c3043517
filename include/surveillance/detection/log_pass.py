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

from include.surveillance.detection import alert_records, arrivals, metric_records
from include.surveillance.detection.columns import BarColumns
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.record_rules import RecordRules
from include.surveillance.detection.rules.bar_rule import VOLUME
from include.surveillance.detection.rules.record_rule import WatermarkView
from include.surveillance.detection.state import REVISABLE, State
from include.surveillance.records import Alert, Bar, Metric, NewsItem, Watermark


@dataclass
class Detection:
    """What one run found.

    Attributes:
        state: the input state, advanced; the input itself is unchanged.
        metrics: one per evaluated bar, and again for each that a late or corrected bar changed.
        alerts: see ``Alert.status``.
        raised_by: of each alert, the place among the records of the one that raised it.
        counts: bars, watermarks, news, other, duplicate, corrected, late, stale.
    """

    state: State
    metrics: list[Metric] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    raised_by: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def detect_records(engine: Engine, state: State, records: Iterable[Bar | Watermark | NewsItem]) -> Detection:
    """Work through records in log order; ``state`` is left as it is."""
    return LogPass(engine, state).consume(records)


class LogPass:
    """One pass over records."""

    def __init__(self, engine: Engine, state: State):
        self.engine, self.state = engine, state.copy()
        self.counts: Counter[str] = Counter()
        # (place in the log, what was found there); sorted at the end, because bars are evaluated column by column.
        self.metrics: list[tuple[int, Metric]] = []
        self.alerts: list[tuple[int, int, Alert]] = []
        self.joining = RecordRules(engine, self.state, self._alert)

    def consume(self, records: Iterable[Bar | Watermark | NewsItem]) -> Detection:
        records = list(records)
        kinds = Counter(map(type, records))
        self.counts.update({_NAMES.get(kind, "other"): count for kind, count in kinds.items()})
        watermarks, news = (
            [(place, record) for place, record in enumerate(records) if type(record) is kind] if kinds[kind] else []
            for kind in (Watermark, NewsItem)
        )
        latest = {key: self.state.latest(key) for key in {(it.symbol, it.timespan) for _, it in watermarks}}
        carried_on = self._bars(records, set(latest))
        for place, watermark in watermarks:
            self._watermark(place, watermark, latest, carried_on)
        self.joining.news(news)
        self.counts["duplicate"] += self.joining.duplicates
        self.metrics.sort(key=itemgetter(0))
        self.alerts.sort(key=itemgetter(0, 1))
        metrics, alerts = [found[-1] for found in self.metrics], [found[-1] for found in self.alerts]
        return Detection(self.state, metrics, alerts, [found[0] for found in self.alerts], self.counts)

    def _bars(
        self, records: list[Bar | Watermark | NewsItem], watched: set[tuple[str, str]]
    ) -> dict[tuple[str, str], list[tuple[int, int, str]]]:
        """Evaluate all bars; returns, per watched series, (place, start, event id) of those that carried it on."""
        places = np.array([place for place, record in enumerate(records) if type(record) is Bar], np.int64)
        bars = [record for record in records if type(record) is Bar]
        columns = BarColumns.of(bars)
        rows = self.state.rows_of(columns.keys)
        waiting = np.argsort(columns.code, kind="stable")
        carried_on: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        while len(waiting):
            code = columns.code[waiting]
            first = np.flatnonzero(np.diff(code, prepend=-1))
            last = np.append(first[1:], len(waiting))
            status = np.empty(len(waiting), np.int8)
            arrivals.admit(
                *(rows[code[first]], first, last, columns.ts[waiting], columns.revision[waiting]),
                *(self.state.held, self.state.kept, self.state.bars["ts"], self.state.bars["revision"]),
                *(REVISABLE, status),
            )
            self.counts["duplicate"] += int(np.sum(status == arrivals.DUPLICATE))
            self.counts["stale"] += int(np.sum(status == arrivals.STALE))
            new = waiting[status == arrivals.NEW]
            if len(new):
                self._carry_on(columns.take(new), places[new])
                known = np.array([key in watched for key in columns.keys], bool)
                for at in new[known[columns.code[new]]].tolist():
                    bar = bars[at]
                    carried_on.setdefault((bar.symbol, bar.timespan), []).append(
                        (int(places[at]), bar.ts_ms, bar.event_id)
                    )
            for name in ("late", "corrected"):
                revising = waiting[status == getattr(arrivals, name.upper())]
                self.counts[name] += len(revising)
                if len(revising):
                    self._revise(columns.take(revising), places[revising])
            waiting = waiting[status == arrivals.WAITING]
        return carried_on

    def _carry_on(self, bars: BarColumns, places: np.ndarray) -> None:
        found = self.engine.evaluate(self.state, bars)
        # Fresh bars stand in the scan as they were sorted for it.
        place = np.full(len(found.scan), -1, np.int64)
        rows = self.state.rows_of(bars.keys)[bars.code]
        place[found.fresh] = places[np.argsort(rows, kind="stable")]
        metrics = metric_records.metrics(found, np.flatnonzero(found.fresh))
        self.metrics += zip(place[found.fresh].tolist(), metrics, strict=True)
        fresh = found.fresh_firings
        for f in np.flatnonzero(fresh.does != 0).tolist():
            self._alert(
                int(place[fresh.index[f]]), int(fresh.kind[f]), alert_records.alert(self.engine, found, fresh, f)
            )
        for f in np.flatnonzero(fresh.kind == VOLUME).tolist():
            bar = alert_records.volume_bar(found, fresh, f)
            self.joining.bar(int(place[fresh.index[f]]), found.scan.bars.key(int(fresh.index[f])), bar)

    def _revise(self, bars: BarColumns, places: np.ndarray) -> None:
        """Put one bar of each series in its place and publish what that changes."""
        rows = self.state.rows_of(bars.keys)[bars.code]
        part = self.state.take(rows)
        before = self.engine.reconsider(part.copy())
        part.insert(bars)
        after = self.engine.reconsider(part)
        self.state.put(rows, part)
        first = after.scan.segments.evaluate_from
        for s in range(len(rows)):
            place = int(places[s])
            was = {metric.ts_ms: metric for metric in metric_records.metrics(before, before.evaluated(s))}
            for metric in metric_records.metrics(after, after.evaluated(s)):
                if was.get(metric.ts_ms) != metric:
                    self.metrics.append((place, metric))
            for alert in alert_records.revised(self.engine, before, after, s):
                self._alert(place, 0, alert)
            known = [alert_records.volume_bar(after, after.firings, f) for f in alert_records.volume_firings(after, s)]
            self.joining.revised(place, bars.keys[bars.code[s]], int(after.scan.bars.ts[first[s]]), known)

    def _watermark(self, place: int, watermark: Watermark, latest: dict, arrivals: dict) -> None:
        key = watermark.symbol, watermark.timespan
        name = f"{watermark.symbol}|{watermark.timespan}"
        if watermark.source == "live":
            if watermark.as_of_ms <= self.state.notes.watermarks.get(name, 0):
                self.counts["duplicate"] += 1
                return
            self.state.notes.watermarks[name] = watermark.as_of_ms
        last_ms, last_id = latest[key]
        arrived = arrivals.get(key, [])
        if before := bisect_left(arrived, place, key=itemgetter(0)):
            _, last_ms, last_id = arrived[before - 1]
        number = self.engine.profile_at(key, watermark.as_of_ms)
        profile = self.engine.profiles[number] if number >= 0 else None
        position = self.engine.calendar.locate(watermark.as_of_ms)
        view = WatermarkView(
            watermark=watermark,
            last_ms=last_ms,
            last_id=last_id,
            profile=profile,
            sessions=self.engine.sessions,
            renamed=self.engine.actions.renamed(watermark.symbol, position.date),
        )
        parameters = self.engine.limits.resolve(position.date, watermark.symbol, number)
        for order, rule in enumerate((parameters.feed_freshness, parameters.data_quality), start=10):
            verdict = rule.evaluate(view)
            self.joining.fire(place, order, key, verdict, profile)

    def _alert(self, place: int, order: int, alert: Alert) -> None:
        self.alerts.append((place, order, alert))


_NAMES = {Bar: "bars", Watermark: "watermarks", NewsItem: "news"}
