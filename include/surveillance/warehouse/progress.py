"""How far landing has come, as Kafka shows it; whoever only asks loads no client of the warehouse.

The places that count are in RAW.KAFKA_OFFSETS. Each run of landing shows them here, too.
"""

from __future__ import annotations

from include.surveillance import broker
from include.surveillance.broker import Kafka, Position

GROUP = "landing"


def list_landed(kafka: Kafka) -> list[Position]:
    """List the partitions of which something has landed."""
    kept = [spec.name for spec in broker.TOPICS if spec.retention_days]
    positions = [(topic, partition) for topic in kept for partition in broker.partitions_of(kafka, topic)]
    return [position for position, place in broker.committed(kafka, GROUP, positions, settled=False).items() if place]
