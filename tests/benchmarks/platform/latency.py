"""When bars, news and alerts came onto the topics, by Kafka's clock; an alert's event ids say what raised it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from include.surveillance import normalise, wire
from include.surveillance.broker import Kafka, Position
from include.surveillance.polygon.client import Polygon
from include.surveillance.records import Alert, Bar, Metric, NewsItem
from include.surveillance.timespans import MINUTE_MS, now_ms
from tests.ground import read_since

Key = tuple[str, int]  # symbol and start of a minute bar


@dataclass
class LatencyStamps:
    """The latencies of live minute bars that closed in (``from_ms``, ``to_ms``], and of the alerts that they raised.

    Attributes:
        first: event id of any bar or article -> when its first message was appended, ms. Both are polled again for some
            minutes.
        appended: minute bar -> when its first message was appended.
        published: event id of an article -> the close of the minute that it was published in.
        alerts: when an alert was appended, when the newest of what it rests on was, and the close of that one's minute:
            an article may come minutes after the burst of volume that it is joined to.
    """

    from_ms: int
    to_ms: int
    first: dict[str, int] = field(default_factory=dict)
    appended: dict[Key, int] = field(default_factory=dict)
    published: dict[str, int] = field(default_factory=dict)
    alerts: list[tuple[int, int, int]] = field(default_factory=list)

    def read_bars(self, kafka: Kafka, since: Mapping[Position, int]) -> None:
        for message in read_since(kafka, since):
            bar = wire.decode(message.value)
            if isinstance(bar, Bar):
                self.first.setdefault(bar.event_id, message.timestamp_ms)
                if bar.timespan == "minute" and self.from_ms < bar.close_ms <= self.to_ms:
                    self.appended.setdefault((bar.symbol, bar.ts_ms), message.timestamp_ms)

    def read_news(self, kafka: Kafka, since: Mapping[Position, int]) -> None:
        for message in read_since(kafka, since):
            item = wire.decode(message.value)
            if isinstance(item, NewsItem):
                self.first.setdefault(item.event_id, message.timestamp_ms)
                self.published[item.event_id] = (item.published_ms // MINUTE_MS + 1) * MINUTE_MS

    def read_alerts(self, kafka: Kafka, since: Mapping[Position, int]) -> None:
        """Read bars and news first."""
        for message in read_since(kafka, since):
            alert = wire.decode(message.value)
            if isinstance(alert, Alert):
                self.add(alert, message.timestamp_ms)

    def add(self, alert: Alert, at_ms: int) -> None:
        rests_on = [self.first[event_id] for event_id in alert.event_ids if event_id in self.first]
        close_ms = max([alert.bar_close_ms, *(self.published.get(event_id, 0) for event_id in alert.event_ids)])
        measured = alert.timespan == "minute" and self.from_ms < close_ms <= self.to_ms
        if rests_on and measured and alert.status in ("fired", "refired"):
            self.alerts.append((at_ms, max(rests_on), close_ms))

    def after_close(self) -> list[float]:
        """Seconds from each minute bar's close to its append."""
        return [(at - ts_ms - MINUTE_MS) / 1000 for (_, ts_ms), at in self.appended.items()]

    def after_bar(self) -> list[float]:
        """Seconds from the append of the bar or article that raised an alert to that of the alert."""
        return [(alert - raised) / 1000 for alert, raised, _ in self.alerts]

    def until_measured(self, metrics: Iterable[tuple[int, bytes]]) -> list[float]:
        """Seconds from the append of each minute bar to its first metric.

        Args:
            metrics: when each came, epoch ms, and its bytes.
        """
        waits: dict[str, float] = {}
        for at_ms, value in metrics:
            metric = wire.decode(value)
            if isinstance(metric, Metric) and metric.timespan == "minute":
                appended_ms = self.first.get(metric.bar_event_id)
                if appended_ms and (metric.symbol, metric.ts_ms) in self.appended:
                    waits.setdefault(metric.bar_event_id, (at_ms - appended_ms) / 1000)
        return list(waits.values())

    def whole_minutes(self) -> list[float]:
        """Seconds from each minute's close to the last alert of it, or of a minute without any, its last bar."""
        last: dict[int, int] = defaultdict(int)
        for (_, ts_ms), at in self.appended.items():
            last[ts_ms + MINUTE_MS] = max(last[ts_ms + MINUTE_MS], at)
        for at, _, close_ms in self.alerts:
            last[close_ms] = max(last[close_ms], at)
        return [(at - close_ms) / 1000 for close_ms, at in sorted(last.items())]

    def missing(self, due: Iterable[Key]) -> list[Key]:
        return sorted(set(due) - self.appended.keys())


def due(polygon: Polygon, symbols: Sequence[str], from_ms: int, to_ms: int) -> set[Key]:
    """The usable minute bars that closed in (from_ms, to_ms], by the vendor asked anew."""

    def ask(symbol: str) -> list[Key]:
        payload = polygon.bars(symbol, "minute", from_ms, to_ms)
        bars = [record for record in normalise.bars(payload, source="backfill") if isinstance(record, Bar)]
        return [(bar.symbol, bar.ts_ms) for bar in bars if from_ms < bar.close_ms <= to_ms]

    with ThreadPoolExecutor(16) as pool:
        return {key for keys in pool.map(ask, symbols) for key in keys}


def next_minute_ms() -> int:
    """The next full minute, epoch ms."""
    return (now_ms() // MINUTE_MS + 1) * MINUTE_MS


def sleep_until(ts_ms: float) -> None:
    time.sleep(max(0.0, ts_ms / 1000 - time.time()))
