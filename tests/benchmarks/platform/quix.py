"""A peer without Airflow: a quixstreams application around the same engine, exactly once, the state per symbol.

Runs in an environment of its own (requirements-quix.txt): quixstreams' requirements exclude the platform's.
``KAFKA`` is the client's configuration as JSON, ``STATE`` a folder, ``SINCE_MS`` from when on bars are read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from quixstreams import Application, State
from quixstreams.models import TopicConfig

from include.surveillance import wire
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State as Detection
from include.surveillance.records import Alert, Record
from include.surveillance.sessions import Sessions

BARS, ALERTS, METRICS = "polygon.bars.raw", "peer.quix.alerts", "peer.quix.metrics"
COMMIT_SECONDS = 0.5


def main() -> None:
    kafka, since_ms = json.loads(os.environ["KAFKA"]), int(os.environ["SINCE_MS"])
    app = Application(
        kafka["bootstrap.servers"],
        consumer_group="peer-quix",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=COMMIT_SECONDS,
        state_dir=os.environ["STATE"],
        consumer_extra_config={"isolation.level": "read_committed"},
        loglevel="WARNING",
    )
    stamped = TopicConfig(4, 1, extra_config={"message.timestamp.type": "LogAppendTime"})
    alerts, metrics = (app.topic(name, value_serializer="bytes", config=stamped) for name in (ALERTS, METRICS))
    engine = Engine(ParameterBook.load(Path(os.environ["PARAMETERS_FILE"])), Sessions(os.environ["MARKET_CALENDAR"]))

    def detect(value: bytes, state: State) -> list[Record]:
        saved = state.get_bytes("detection")
        results = detect_records(
            engine, Detection.from_bytes(saved) if saved else Detection("sketch"), [wire.decode(value)]
        )
        state.set_bytes("detection", results.state.to_bytes())
        return [*results.metrics, *results.alerts]

    def recent(_: Any, __: Any, timestamp: int, ___: Any) -> bool:
        return timestamp >= since_ms

    bars = app.dataframe(app.topic(BARS, value_deserializer="bytes"))
    bars = bars.filter(recent, metadata=True).apply(detect, stateful=True, expand=True)
    bars.filter(lambda record: isinstance(record, Alert)).apply(wire.encode).to_topic(alerts)
    bars.filter(lambda record: not isinstance(record, Alert)).apply(wire.encode).to_topic(metrics)
    app.run()


if __name__ == "__main__":
    main()
