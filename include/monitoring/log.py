"""Follows Kafka's topics: what polls have asked for, what was rejected, what alerts were raised and how late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from include.monitoring.catalogue import Catalogue
from include.monitoring.look import Look
from include.surveillance import broker, wire
from include.surveillance.alerts.latency import LatencyStamps
from include.surveillance.broker import Kafka, Position, Received
from include.surveillance.errors import BrokerError, LogBrokenError
from include.surveillance.live import progress as detection
from include.surveillance.places import Place
from include.surveillance.records import Alert, Reject, Watermark
from include.surveillance.warehouse import progress as landing

# Messages. Of each partition of bars that is read again at the start: a minute of them has the newest watermarks.
TAIL = 2_000
AT_ONCE = 2_000
# Bars are not decoded: they are nearly all of the log, and the watermarks say how many there were.
WATERMARK = b'{"kind":"watermark"'
# An alert whose episode goes on is not older than so many others.
REMEMBERED = 20_000
POLLED_WITHIN_MS = 600_000
NOTIFIER = "notifier"


class Log(Look):
    """Counts what comes from its start on; of what was before it reads only the newest watermarks."""

    part, every = "log", 5.0

    def __init__(self, kafka: Kafka, catalogue: Catalogue):
        self._kafka, self._catalogue = kafka, catalogue
        self._reader: broker.Reader | None = None
        self._bounds: broker.Bounds | None = None
        self._places: dict[Position, Place] = {}
        self._began_ms = 0
        self._newest: dict[str, int] = {}
        self._polled: dict[str, dict[str, int]] = {}
        self._firings: OrderedDict[str, int] = OrderedDict()

    def look(self, now: float) -> None:
        self._began_ms = self._began_ms or round(now * 1_000)
        try:
            reader = self._reader or self._open()
            # A backfill brings hundreds of thousands at once.
            for batch in reader.read_all(AT_ONCE):
                for message in batch.messages:
                    self.take(message)
            self._places = reader.places
        except LogBrokenError:
            self._close()
            self._places = {}  # another log: from its end on
        except BrokerError:
            self._close()
            raise
        since = now * 1_000 - POLLED_WITHIN_MS
        for timespan, polled in self._polled.items():
            polled = self._polled[timespan] = {symbol: at for symbol, at in polled.items() if at >= since}
            self._catalogue.symbols.labels(timespan).set(len(polled))

    def take(self, message: Received) -> None:
        """Count one message; who consumes it rejects what is no record."""
        if message.topic == broker.BARS and not (message.value or b"").startswith(WATERMARK):
            return
        try:
            record = wire.decode(message.value)
        except wire.WireError:
            return
        counted = message.timestamp_ms >= self._began_ms
        if isinstance(record, Watermark):
            self._take_watermark(record, message.timestamp_ms, counted=counted)
        elif isinstance(record, Reject) and counted:
            self._catalogue.rejected.labels(record.stage, record.reason).inc()
        elif isinstance(record, Alert) and counted:
            self._take_alert(record, message)

    def _take_watermark(self, record: Watermark, stored_ms: int, *, counted: bool) -> None:
        if record.source == "live":
            newest = self._newest[record.timespan] = max(self._newest.get(record.timespan, 0), record.as_of_ms)
            self._catalogue.watermark.labels(record.timespan).set(newest / 1_000)
            self._polled.setdefault(record.timespan, {})[record.symbol] = stored_ms
        if counted:
            self._catalogue.bars.labels(record.timespan, record.source).inc(record.bars)

    def _take_alert(self, alert: Alert, message: Received) -> None:
        self._catalogue.messages.labels(alert.rule, alert.status).inc()
        if alert.status == "fired":
            tag = alert.tag or "none"
            self._catalogue.alerts.labels(alert.rule, tag, alert.severity, alert.source).inc()
        if alert.source != "live":
            return
        # What was raised before the exporter began counts from where it stands.
        before = self._firings.pop(alert.event_id, 0 if alert.status == "fired" else alert.firings)
        self._catalogue.firings.labels(alert.rule).inc(max(0, alert.firings - before))
        self._firings[alert.event_id] = max(before, alert.firings)
        if len(self._firings) > REMEMBERED:
            self._firings.popitem(last=False)
        if alert.status == "fired":
            self._time(alert, LatencyStamps.from_headers(message.headers, message.timestamp_ms))

    def _time(self, alert: Alert, at: LatencyStamps) -> None:
        steps: Mapping[str, tuple[int | None, int | None]] = {
            "close_to_poll": (alert.bar_close_ms, at.polled_ms),
            "poll_to_append": (at.polled_ms, at.appended_ms),
            "append_to_detect": (at.appended_ms, at.detected_ms),
            "detect_to_alert": (at.detected_ms, at.published_ms),
            "close_to_alert": (alert.bar_close_ms, at.published_ms),
        }
        for step, (begin, end) in steps.items():
            if begin is not None and end is not None:
                self._catalogue.latency.labels(step).observe(max(0, end - begin) / 1_000)

    def _open(self) -> broker.Reader:
        self._bounds = broker.Bounds(self._kafka)
        topics = {broker.BARS, broker.REJECTED, broker.ALERTS}
        positions = [
            (topic, number) for topic, it in self._bounds.identify(topics).items() for number in range(it.partitions)
        ]
        starts: dict[Position, Place | None] = {}
        for position in positions:
            low, end = self._bounds(position)
            tail = TAIL if position[0] == broker.BARS else 0
            starts[position] = self._places.get(position) or Place(max(low, end - tail))
        self._reader = broker.Reader(self._kafka, starts, bounds=self._bounds, headers=True)
        return self._reader

    def _close(self) -> None:
        for client in (self._reader, self._bounds):
            if client is not None:
                client.close()
        self._reader = self._bounds = None


class Progress(Look):
    """Measures how far a group has come, in messages and up to which time."""

    every = 10.0

    def __init__(
        self,
        group: str,
        kafka: Kafka,
        catalogue: Catalogue,
        list_positions: Callable[[Kafka], list[Position]],
    ):
        self.part = group
        self._kafka, self._catalogue, self._list = kafka, catalogue, list_positions
        self._probe: broker.LagProbe | None = None

    def look(self, now: float) -> None:
        try:
            if self._probe is None:
                if not (positions := self._list(self._kafka)):
                    return  # nothing has been consumed yet: it is not in operation
                self._probe = broker.LagProbe(self._kafka, self.part, positions)
            lag, oldest = self._probe.lag(), self._probe.oldest_unread()
        except (BrokerError, LogBrokenError):
            if self._probe is not None:
                self._probe.close()
            self._probe = None
            raise
        self._catalogue.lag.labels(self.part).set(lag)
        self._catalogue.consumed.labels(self.part).set(min(oldest.values()) / 1_000 if oldest else now)


def make_progress(kafka: Kafka, catalogue: Catalogue) -> list[Progress]:
    """Make one look for each group that consumes."""

    def alerts(kafka: Kafka) -> list[Position]:
        return [(broker.ALERTS, partition) for partition in broker.partitions_of(kafka, broker.ALERTS)]

    return [
        Progress(detection.GROUP, kafka, catalogue, detection.list_detected),
        Progress(NOTIFIER, kafka, catalogue, alerts),
        Progress(landing.GROUP, kafka, catalogue, landing.list_landed),
    ]
