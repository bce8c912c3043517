"""One partition of topics that no other test touches: what goes in, and what detection publishes."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from include.surveillance import broker
from include.surveillance.broker.client import new_consumer, read_bounds
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.shards import HEAD, read_shards
from include.surveillance.errors import BrokerError
from include.surveillance.live.detector import Detector
from include.surveillance.live.restore import read_snapshot
from include.surveillance.records import Bar, NewsItem, Watermark
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import MINUTE_MS
from tests.integration.detecting import LITERAL, detect_partition
from tests.integration.private_topics import private_topics

OPEN = 1_550_154_600_000  # 2019-02-14 14:30 UTC, an XNYS open
SESSIONS = Sessions()


@pytest.fixture
def partition(kafka, monkeypatch) -> int:
    """The one partition of topics and a group that no other test touches; bar 0 is in it."""
    make_topics(kafka, monkeypatch, 1)
    broker.publish(kafka, [bar(0)])
    return 0


def make_topics(kafka, monkeypatch, partitions: int) -> None:
    """Make topics and a group that no other test touches."""
    renamed = private_topics(monkeypatch, uuid.uuid4().hex[:8])
    new = [NewTopic(renamed[spec.name], partitions, 1, config=spec.config) for spec in broker.TOPICS]
    admin = AdminClient(kafka)
    for future in admin.create_topics(new, operation_timeout=15).values():
        future.result()
    positions = {(topic, partition): None for topic in renamed.values() for partition in range(partitions)}
    # Creation is answered before every request can see the topic.
    retry(retry=retry_if_exception_type(BrokerError), wait=wait_fixed(0.1), stop=stop_after_delay(30))(broker.read)(
        kafka, positions
    )


def bar(minute: int, volume: int = 1000, close: float = 100.0) -> Bar:
    return Bar(
        symbol="NVDA",
        timespan="minute",
        ts_ms=OPEN + minute * MINUTE_MS,
        open=close,
        high=max(close, 100.5),
        low=min(close, 99.5),
        close=close,
        volume=Decimal(volume),
    )


def article(minute: int) -> NewsItem:
    published_ms = OPEN + minute * MINUTE_MS
    return NewsItem(symbol="NVDA", article_id="a", published_ms=published_ms, title="Recall", sentiment="negative")


def watermark(minute: int) -> Watermark:
    as_of_ms = OPEN + minute * MINUTE_MS
    return Watermark(symbol="NVDA", timespan="minute", from_ms=OPEN, as_of_ms=as_of_ms, bars=1)


def market() -> list[Bar | NewsItem | Watermark]:
    """Bars 1 to 149 with bursts, an article and a watermark (bar 0 is there already)."""
    quiet = [bar(i, close=100 + 0.1 * (i % 3)) for i in range(1, 149)]
    quiet[60], quiet[100] = bar(61, 9000), bar(101, 8000, close=103.0)
    return [*quiet[:61], article(60), *quiet[61:], bar(149, 5000, close=99.0), watermark(200)]


def detect(kafka, partition: int, **options):
    return detect_partition(kafka, partition, sessions=SESSIONS, **options)


def read_settled(kafka, partition: int, topic: str, **options) -> broker.Batch:
    settle(kafka, (topic, partition))
    return broker.read(kafka, {(topic, partition): None}, **options)


def read_values(kafka, partition: int, topic: str) -> list[bytes]:
    return [message.value for message in read_settled(kafka, partition, topic).messages]


def settle(kafka, position: tuple[str, int]) -> None:
    """Kafka answers a commit before all can see it. What stays open, a killed process has left."""
    with (
        new_consumer(kafka, "all") as seen,
        new_consumer(kafka, "all", **{"isolation.level": "read_uncommitted"}) as every,
    ):
        for _ in range(20):
            if read_bounds(seen, position) == read_bounds(every, position):
                return
            time.sleep(0.05)


def outputs(kafka, partition: int) -> dict[str, list[bytes]]:
    """All that was published; alerts and metrics sorted, since a batch writes metrics before alerts."""
    return {topic: sorted(read_values(kafka, partition, topic)) for topic in published()}


def published() -> tuple[str, ...]:
    return broker.METRICS, broker.ALERTS, broker.REJECTED


def snapshot(kafka, partition: int) -> bytes | None:
    """The whole state as its messages on the topic make it up."""
    settle(kafka, (broker.DETECTOR_STATE, partition))
    stored = read_snapshot(kafka, partition)
    return read_shards(stored[HEAD], stored)[0].to_bytes() if stored else None


def open_detector(kafka, partition: int, book: ParameterBook = LITERAL) -> Detector:
    return Detector(kafka, partition, sessions=SESSIONS, book=book)
