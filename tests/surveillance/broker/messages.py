"""Topics of their own, and messages on them."""

from __future__ import annotations

import uuid
from contextlib import suppress
from decimal import Decimal

from confluent_kafka.admin import AdminClient, NewTopic
from tenacity import Retrying, retry_if_exception_type, stop_after_delay

from include.surveillance import broker
from include.surveillance.errors import BrokerError
from include.surveillance.records import Bar

PARTITIONS = 4
ALL_BARS = [(broker.BARS, partition) for partition in range(PARTITIONS)]


def new_topic(kafka, **config: str) -> str:
    name = f"test.{uuid.uuid4().hex[:8]}"
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(10)
    for attempt in Retrying(retry=retry_if_exception_type(BrokerError), stop=stop_after_delay(20), reraise=True):
        with attempt:  # creation is answered before the topic can be read
            broker.read(kafka, {(name, 0): None})
    return name


def bar(symbol: str = "MSFT", ts_ms: int = 1_550_000_000_000, close: float = 10.5) -> Bar:
    return Bar(
        symbol=symbol, timespan="minute", ts_ms=ts_ms, open=10, high=11, low=9, close=close, volume=Decimal("12.5")
    )


def write(kafka, topic: str, *values: bytes | None, key: str = "k", abort: bool = False) -> None:
    with suppress(InterruptedError), broker.transaction(kafka, f"writer-{topic}", "g") as ongoing:
        for value in values:
            ongoing.send_raw(topic, value, key=key, partition=0)
        if abort:
            ongoing.flush()  # else what is still queued never reaches Kafka
            raise InterruptedError
    settle(kafka, f"writer-{topic}")


def settle(kafka, transactional_id: str) -> None:
    """Kafka answers a commit before its markers are written; the id's next transaction waits for them."""
    with broker.transaction(kafka, transactional_id, "g"):
        pass


def values(batch: broker.Batch) -> list[bytes | None]:
    return [message.value for message in batch.messages]
