"""Takes StatsD's packets and keeps them as metrics of Prometheus.

Tasks run in processes that come and go: a packet costs them nothing, is lost when nobody listens, and needs no server
of their own. Debian has no package of Prometheus' own bridge.
"""

from __future__ import annotations

import re
import socketserver
import threading

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from include.monitoring.stats import STATS, Stat

PREFIX = "airflow."
# Name, tags as InfluxDB writes them, value, kind.
LINE = re.compile(r"([^,:|]+)((?:,[^,=|]+=[^,|]*)*):([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\|(c|g|ms)(?:\|@[\d.]+)?")
BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)
# Of one metric; what comes beyond is dropped, and counted.
MOST_SERIES = 400


class Bridge:
    """The statistics of ``STATS`` as metrics.

    Args:
        dropped: counts the lines that come to nothing, by label ``reason``.
    """

    def __init__(self, registry: CollectorRegistry, dropped: Counter):
        self._dropped, self._registry = dropped, registry
        self._metrics = {stat.name: (stat, _make(stat)) for stat in STATS}
        self._shown: set[str] = set()
        self._series: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        self._counts: dict[str, int] = {}

    def take(self, packet: str) -> None:
        """Keep every line of a packet; what is no statistic of ours is no fault."""
        for line in packet.splitlines():
            if not (match := LINE.fullmatch(line)):
                self._dropped.labels("not understood").inc()
                continue
            name, tags, value, kind = match.groups()
            stat, metric = self._metrics.get(name.removeprefix(PREFIX), (None, None))
            if stat is None or metric is None:
                continue
            if kind != stat.kind:
                self._dropped.labels("another kind").inc()
                continue
            if name not in self._shown:
                # Not before: a gauge of which nobody has said anything is not zero.
                self._shown.add(name)
                self._registry.register(metric)
            if (series := self._find(stat, metric, tags)) is None:
                self._dropped.labels("too many labels").inc()
            elif isinstance(series, Histogram):
                series.observe(max(0.0, float(value)) / 1_000)
            elif isinstance(series, Counter):
                series.inc(max(0.0, float(value)))
            elif value[0] in "+-":
                series.inc(float(value))
            else:
                series.set(float(value))

    def _find(self, stat: Stat, metric: Counter | Gauge | Histogram, tags: str) -> Counter | Gauge | Histogram | None:
        if not stat.labels:
            return metric
        given = dict(tag.split("=", 1) for tag in tags.split(",")[1:])
        key = (stat.name, *(given.get(label, "") for label in stat.labels))
        if (series := self._series.get(key)) is None:
            if self._counts.get(stat.name, 0) >= MOST_SERIES:
                return None
            self._counts[stat.name] = self._counts.get(stat.name, 0) + 1
            series = self._series[key] = metric.labels(*key[1:])
        return series


def _make(stat: Stat) -> Counter | Gauge | Histogram:
    if stat.kind == "ms":
        return Histogram(stat.metric, stat.text, stat.labels, buckets=BUCKETS, registry=None)
    kind = Counter if stat.kind == "c" else Gauge
    return kind(stat.metric, stat.text, stat.labels, registry=None)


def listen(bridge: Bridge, host: str, port: int) -> socketserver.UDPServer:
    """Give the bridge every packet that comes to the port, in a thread; return the server, to shut it down."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            bridge.take(self.request[0].decode(errors="replace"))

    server = socketserver.UDPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="statsd", daemon=True).start()
    return server
