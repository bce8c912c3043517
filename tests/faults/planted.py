"""Lose and double something on purpose, to see that the comparison sees it."""

from __future__ import annotations

from contextlib import closing

import snowflake.connector
from confluent_kafka import Producer

from include.local_stack.summary import warehouse_arguments
from include.surveillance import wire

from .shadow import by_news
from .stage import Stage
from .topics import Topics


def plant(stage: Stage, topics: Topics) -> tuple[int, int]:
    """A metric and an alert once more on their topics, a bar's row gone from the warehouse.

    Returns:
        How many things are lost and doubled then.
    """
    metric = next(iter(topics.metrics))
    alert = next(value for value in topics.newest_alert.values() if not by_news(wire.decode(value)))
    producer = Producer(stage.kafka)
    for table, value in (("RAW_METRICS", metric), ("RAW_ALERTS", alert)):
        record = wire.decode(value)
        topic, partition, _ = topics.rows[table][record.event_id]
        producer.produce(topic, value=value, key=record.symbol, partition=partition)
    producer.flush(30)
    event_id = next(iter(topics.rows["RAW_BARS"]))
    arguments = warehouse_arguments(stage.environment) | {"login_timeout": 10, "network_timeout": 20}
    with closing(snowflake.connector.connect(**arguments)) as connection, connection.cursor() as cursor:
        cursor.execute("delete from raw.raw_bars where event_id = %s", (event_id,))
    # The alert counts twice: as one that detection must not have sent, and as a message that is there two times.
    return 1, 3
