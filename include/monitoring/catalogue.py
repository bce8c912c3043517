"""Every metric of the platform's own: its name, its labels and what it says. None has a label for symbols.

What changes by itself with time is a timestamp, not an age: when the exporter stands still, the age goes on growing.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

# Seconds; the limits of the objectives in rules.yml are among them.
LATENCY = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0)
RUNS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
STEPS = (
    "close_to_poll",
    "poll_to_append",
    "append_to_detect",
    "detect_to_alert",
    "close_to_alert",
    "alert_to_told",
    "close_to_told",
)
"""The steps of an alert's way, as in the warehouse; told: the first channel has taken it."""


class Catalogue:
    """The metrics, each under its name without ``surveillance_``; all are in ``registry``."""

    def __init__(self, registry: CollectorRegistry):
        self.registry = registry
        self.all: list[MetricWrapperBase] = []

        def counter(name: str, text: str, *labels: str) -> Counter:
            made = Counter(f"surveillance_{name}", text, labels, registry=registry)
            self.all.append(made)
            return made

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            made = Gauge(f"surveillance_{name}", text, labels, registry=registry)
            self.all.append(made)
            return made

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            made = Histogram(f"surveillance_{name}", text, labels, buckets=buckets, registry=registry)
            self.all.append(made)
            return made

        # The log.
        self.polling_open = gauge("polling_open", "1 while the calendar wants polls, from two minutes after its open.")
        self.watermark = gauge(
            "watermark_timestamp_seconds", "Up to when live polls of a timespan have asked for bars.", "timespan"
        )
        self.symbols = gauge(
            "polled_symbols", "Symbols of which a live poll has asked in the last ten minutes.", "timespan"
        )
        self.bars = counter("polled_bars_total", "Bars in the answers of polls, known ones too.", "timespan", "source")
        self.rejected = counter(
            "rejected_records_total", "Records that could not be used, by stage and reason.", "stage", "reason"
        )
        self.alerts = counter(
            "alerts_total", "Alerts that were raised, at their first firing.", "rule", "tag", "severity", "source"
        )
        self.messages = counter("alert_messages_total", "Messages on the topic of alerts.", "rule", "status")
        self.firings = counter("firings_total", "Firings of live alerts, as their messages count them.", "rule")
        self.latency = histogram(
            "alert_latency_seconds", "How long each step of a live alert's way took.", LATENCY, "step"
        )
        self.lag = gauge("consumer_lag_messages", "Messages that a group has not consumed.", "group")
        self.consumed = gauge(
            "consumed_timestamp_seconds", "Up to when a group has consumed all that Kafka has stored.", "group"
        )
        # The application's database.
        self.runs = counter("runs_total", "Runs of DAGs, by stage and outcome.", "stage", "outcome")
        self.run_end = gauge("run_end_timestamp_seconds", "When the newest run of a stage ended.", "stage")
        self.run_duration = histogram("run_duration_seconds", "How long runs took.", RUNS, "stage")
        self.rows = counter("landed_rows_total", "Rows that landing has written to the warehouse.")
        self.outbox = gauge("outbox_messages", "Messages that wait to be sent.", "channel")
        self.outbox_oldest = gauge(
            "outbox_oldest_timestamp_seconds", "Since when the oldest of them could have been sent.", "channel"
        )
        self.desk = gauge("desk_alerts", "Live market alerts that nobody has closed.", "severity")
        self.desk_oldest = gauge("desk_oldest_alert_timestamp_seconds", "Bar of the oldest of them.", "severity")
        self.session_alerts = gauge(
            "session_alerts", "Live market alerts of the newest session, market events as one.", "timespan"
        )
        self.budget = gauge("alert_budget_alerts", "Alerts per symbol and session that the parameters allow.")
        # Servers.
        self.probes = counter("probes_total", "Requests for a sign of life: ok or failed.", "target", "outcome")
        self.probe_duration = histogram("probe_duration_seconds", "How long their answers took.", LATENCY, "target")
        self.heartbeat = gauge(
            "heartbeat_timestamp_seconds", "The newest heartbeat of a component of Airflow.", "component"
        )
        # The exporter itself.
        self.looked = gauge("look_timestamp_seconds", "When the exporter last saw all of a part.", "part")
        self.dropped = counter(
            "statsd_dropped_total", "StatsD lines that were not understood, or had too many labels.", "reason"
        )
