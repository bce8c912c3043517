"""Differences planted on purpose, to check that the comparison names them."""

from __future__ import annotations

from confluent_kafka import Producer

from include.surveillance import wire
from tests.faults.shadow import is_due
from tests.faults.stage import Stage
from tests.faults.topics import Topics


def plant(stage: Stage, topics: Topics) -> tuple[int, int]:
    """A metric and an alert once more on their topics, a bar's rows gone from the warehouse.

    Returns:
        How many things are lost and doubled then.
    """
    metric = next(iter(topics.metrics))
    alert = next(value for value in topics.newest_alert.values() if is_due(wire.decode(value)))
    producer = Producer(stage.kafka)
    for table, value in (("RAW_METRICS", metric), ("RAW_ALERTS", alert)):
        record = wire.decode(value)
        topic, partition = next(row[1:3] for row in topics.rows[table] if row[0] == record.event_id)
        producer.produce(topic, value=value, key=record.symbol, partition=partition)
    producer.flush(30)
    ((event_id, *_),) = [*topics.rows["RAW_BARS"]][:1]
    stage.warehouse("delete from raw.raw_bars where event_id = %s", (event_id,))
    lost = sum(row[0] == event_id for row in topics.rows["RAW_BARS"])
    # The alert counts twice: as one that detection must not have sent, and as a message that is there two times.
    return lost, 3
