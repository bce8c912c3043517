"""How far landing has come, as Kafka shows it; whoever only asks loads no client of the warehouse.

The places that count are in the warehouse. Each run of landing shows them here, too.
"""

from __future__ import annotations

from include.surveillance import broker
from include.surveillance.broker import Kafka, Position

GROUP = "landing"


def list_landed(kafka: Kafka) -> list[Position]:
    """List the partitions of which something has landed."""
    landed = [spec.name for spec in broker.TOPICS if spec.name != broker.DETECTOR_STATE]
    positions = [(topic, partition) for topic in landed for partition in broker.partitions_of(kafka, topic)]
    return [position for position, place in broker.committed(kafka, GROUP, positions, settled=False).items() if place]
