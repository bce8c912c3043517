"""Detection of the same log by one process that nothing happens to: what must lie on the topics, message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from include.surveillance import wire
from include.surveillance.broker import Kafka, Received
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.live import intake
from include.surveillance.live.background import read_background
from include.surveillance.records import Alert
from include.surveillance.sessions import Sessions


class Shadow:
    """One state per partition, advanced by what has been added to the log; corporate actions as they are now.

    Detection gives the same records whatever the batches in which it meets the log. So exactly one metric is due for
    each bar that carries its series on, and again for each bar whose measures a late or corrected one changes; none
    for a bar that came twice with the same values, nor for a stale one (older than the last 20 of its series).

    Attributes:
        metrics, alerts: each message due, and how often. Alerts without those of ``news_impact``: an article and a
            burst meet in the order in which they come, so which article an alert names depends on the batches.
    """

    def __init__(self, kafka: Kafka, sessions: Sessions, book: ParameterBook):
        self._engine = Engine(book, sessions, *read_background(kafka))
        self._states: dict[int, State] = {}
        self.metrics: Counter[bytes] = Counter()
        self.alerts: Counter[bytes] = Counter()

    def consume(self, partition: int, messages: Iterable[Received]) -> None:
        """Messages of bars and news that follow the ones consumed before."""
        ordered = sorted(messages, key=lambda message: (message.timestamp_ms, message.topic, message.offset))
        state = self._states.get(partition) or State("sketch")
        results = detect_records(self._engine, state, intake.decode_messages(ordered).records)
        self._states[partition] = results.state
        self.metrics.update(wire.encode(metric) for metric in results.metrics)
        self.alerts.update(wire.encode(alert) for alert in results.alerts if not by_news(alert))


def by_news(alert: Alert) -> bool:
    return alert.rule == "news_impact"
