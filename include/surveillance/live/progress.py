"""How far detection has come, as Kafka knows it; whoever only asks loads nothing of detection itself."""

from __future__ import annotations

from include.surveillance import broker
from include.surveillance.broker import Kafka, Position

GROUP = "detector"


def positions_of(partition: int) -> list[Position]:
    """Name what the detector of a partition consumes."""
    return [(broker.BARS, partition), (broker.NEWS, partition)]


def list_detected(kafka: Kafka) -> list[Position]:
    """List what all detectors together consume."""
    return [position for partition in broker.partitions_of(kafka, broker.BARS) for position in positions_of(partition)]
