"""The comparison when the log of bars has lost its tail, and when it was made anew: what is due is what is there."""

from __future__ import annotations

from collections import Counter

from include.surveillance import broker, wire
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.live.detector import Detector
from include.surveillance.records import Bar
from include.surveillance.timespans import now_ms
from tests import segments
from tests.faults.infliction import make_anew
from tests.faults.shadow import Shadow, is_due
from tests.faults.topics import Topics
from tests.integration.detecting import LITERAL
from tests.surveillance.broker.test_identity import own as own
from tests.surveillance.broker.test_identity import patiently
from tests.surveillance.live.partition_log import SESSIONS, bar, market


class Run:
    """Detection on the one partition of an own broker, and the comparison beside it."""

    def __init__(self, kafka: broker.Kafka):
        self.kafka, self.topics = kafka, Topics(kafka, [0])
        self.shadow = Shadow(kafka, SESSIONS, LITERAL)

    def publish(self, records: list) -> None:
        broker.publish(self.kafka, records)
        with Detector(self.kafka, 0, sessions=SESSIONS, book=LITERAL) as detector:
            detector.step()

    def compare(self) -> None:
        self.topics.read()
        while self.topics.broken:
            self.shadow.begin_again(*self.topics.broken.popitem())
        self.shadow.consume(0, self.topics.pending.pop(0, []))
        alerts = {value: count for value, count in self.topics.alerts.items() if is_due(wire.decode(value))}
        assert (self.topics.metrics, Counter(alerts)) == (self.shadow.metrics, self.shadow.alerts)

    def told(self) -> set[str]:
        return {alert_id for alert_id in self.topics.newest_alert if alert_id.startswith("log_break|")}

    def due(self) -> set[str]:
        return {alert.event_id for alert in describe_breaks(self.topics.breaks, now_ms())}

    def minutes(self) -> list[int]:
        """Return the starts of the bars, oldest first, in minutes behind ``bar(0)``."""
        return sorted((ts_ms - bar(0).ts_ms) // 60_000 for _, _, ts_ms in self.topics.bars)


def test_losses_are_counted_as_what_they_are(own):
    with own.running() as kafka:
        broker.ensure_topics(kafka, 1)
        run = Run(kafka)
        run.publish([bar(0), *(it for it in market() if isinstance(it, Bar))])
        run.compare()
        since_ms = now_ms()
        run.publish([bar(150, 9000), bar(151)])
        run.compare()
        assert run.minutes() == list(range(152))
        metrics = run.topics.metrics.total()
    assert segments.lose_since(own.folder / "data", broker.BARS, 0, since_ms)
    with own.running() as kafka:
        patiently(broker.read)(kafka, {(broker.BARS, 0): None})
        run.publish([])
        run.compare()
        assert run.minutes() == list(range(150)), "those of the tail are gone"
        run.publish([bar(149, 5000, close=99.0), bar(150, 9000), bar(151), bar(152)])
        run.compare()
        assert run.minutes() == list(range(153))
        assert run.topics.metrics.total() == metrics + 3, "what came back is measured once more"
        assert run.told() == run.due()
        assert len(run.due()) == 1
        make_anew(kafka, 1)
        run.publish([bar(minute) for minute in range(200, 230)])
        run.compare()
        assert run.minutes() == list(range(200, 230))
        assert run.told() == run.due()
        assert len(run.due()) == 2
