"""Detection of the same log by one process that nothing happens to: what must lie on the topics, message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from include.surveillance import broker, wire
from include.surveillance.alerts.log_breaks import RULE as LOG_BREAK
from include.surveillance.alerts.market_events import RULE as MARKET_RULE
from include.surveillance.broker import Kafka, Position, Received
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import Detection, detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.live import intake
from include.surveillance.live.background import read_background
from include.surveillance.live.history import is_history
from include.surveillance.places import Place
from include.surveillance.records import Alert
from include.surveillance.sessions import Sessions


class Shadow:
    """One state per partition, advanced by what has been added to the log; corporate actions as they are now.

    Detection gives the same records whatever the batches in which it meets the log. So exactly one metric is due for
    each bar that carries its series on, and again for each bar whose measures a late or corrected one changes; none
    for a bar that came twice with the same values, nor for a stale one (older than the last 20 of its series).

    Attributes:
        metrics, alerts: each message due, and how often. Alerts without those of ``news_impact``: an article and a
            burst meet in the order in which they come, so which article an alert names depends on the batches. Events
            of the market are the notifier's.
    """

    def __init__(self, kafka: Kafka, sessions: Sessions, book: ParameterBook):
        self._kafka = kafka
        self._engine = Engine(book, sessions, *read_background(kafka), judges="live")
        self._states: dict[int, State] = {}
        self.metrics: Counter[bytes] = Counter()
        self.alerts: Counter[bytes] = Counter()

    def consume(self, partition: int, messages: Iterable[Received]) -> None:
        """Messages of bars and news that follow the ones consumed before."""
        results = self._detect(partition, messages)
        self.metrics.update(wire.encode(metric) for metric in results.metrics)
        self.alerts.update(wire.encode(alert) for alert in results.alerts if is_due(alert))

    def begin_again(self, partition: int, until: Mapping[Position, Place | None]) -> None:
        """Have the state of a log that is another one from these places on; what was due of the former one stays so."""
        ends = {position: place.offset for position, place in until.items() if place}
        there = broker.read(self._kafka, dict.fromkeys(ends), limit=10_000_000).messages
        self._states.pop(partition, None)
        self._detect(partition, [it for it in there if it.offset < ends[it.topic, it.partition]])

    def _detect(self, partition: int, messages: Iterable[Received]) -> Detection:
        ordered = sorted(messages, key=lambda message: (message.timestamp_ms, message.topic, message.offset))
        state = self._states.get(partition) or State("sketch")
        results = detect_records(self._engine, state, intake.decode_messages(ordered).records)
        self._states[partition] = results.state
        return results


def is_due(alert: Alert) -> bool:
    """Whether the alert can be foretold from the log, message by message."""
    return alert.rule not in ("news_impact", MARKET_RULE, LOG_BREAK) and not is_history(alert)
