"""A peer without Airflow: one process, one loop around the same engine, with the same promises.

Metrics, alerts, the state and the consumed offsets are one Kafka transaction, as in the platform.
``KAFKA`` is the client's configuration as JSON, ``SINCE`` a list of [partition, offset] to begin at.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition

from include.surveillance import wire
from include.surveillance.broker import BARS
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.sessions import Sessions

ALERTS, METRICS, STATE = "peer.loop.alerts", "peer.loop.metrics", "peer.loop.state"
BATCH, BATCH_SECONDS = 5_000, 0.5


def main() -> None:
    kafka, since = json.loads(os.environ["KAFKA"]), json.loads(os.environ["SINCE"])
    consumer = Consumer(
        {**kafka, "group.id": "peer-loop", "isolation.level": "read_committed", "enable.auto.commit": False}
    )
    consumer.assign([TopicPartition(BARS, partition, offset) for partition, offset in since])
    producer = Producer({**kafka, "transactional.id": "peer-loop", "compression.type": "zstd", "linger.ms": 5})
    producer.init_transactions()
    engine = Engine(ParameterBook.load(Path(os.environ["PARAMETERS_FILE"])), Sessions(os.environ["MARKET_CALENDAR"]))
    states = {partition: State("sketch") for partition, _ in since}
    while True:
        messages = consumer.consume(BATCH, BATCH_SECONDS)
        if not messages:
            continue
        producer.begin_transaction()
        for partition in states:
            records = [wire.decode(message.value()) for message in messages if message.partition() == partition]
            if not records:
                continue
            results = detect_records(engine, states[partition], records)
            states[partition] = results.state
            for topic, records_out in ((METRICS, results.metrics), (ALERTS, results.alerts)):
                for record in records_out:
                    send(producer, topic, record.symbol, wire.encode(record))
            send(producer, STATE, str(partition), results.state.to_bytes())
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()


def send(producer: Producer, topic: str, key: str, value: bytes) -> None:
    while True:
        try:
            producer.produce(topic, value, key)
            return
        except BufferError:
            producer.poll(0.1)


if __name__ == "__main__":
    main()
