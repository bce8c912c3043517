"""Works a partition off in one call, as the sensor that owns a detector does in many."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from include.surveillance import broker
from include.surveillance.broker import Kafka
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.live import detector
from include.surveillance.live.detector import Detector, positions_of
from include.surveillance.sessions import Sessions

LITERAL = ParameterBook.default().replaced(alerting_form="literal")
"""What the platform ships, but literal: its robust rules judge nothing before there are profiles."""


@dataclass
class BatchSummary:
    """What one call did: counts of records, and per topic the offsets that it went from and to."""

    partition: int
    records: int = 0
    bars: int = 0
    metrics: int = 0
    alerts: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: int = 0
    from_offsets: dict[str, int] = field(default_factory=dict)
    to_offsets: dict[str, int] = field(default_factory=dict)
    rebuilt: bool = False


def detect_partition(
    kafka: Kafka,
    partition: int,
    *,
    sessions: Sessions,
    book: ParameterBook = LITERAL,
    history: Percentiles = "sketch",
    limit: int = 20_000,
    seconds: float = 60.0,
) -> BatchSummary:
    """Work through bars and news of one partition, batch by batch, until none is left; arguments as of ``Detector``,
    with literal rules unless a book is given.

    After ``seconds`` no further batch is begun: a backlog of hours is worked off in several calls, each of which
    leaves everything committed.
    """
    if not broker.lag(kafka, detector.GROUP, positions_of(partition)):
        return BatchSummary(partition)
    until, total = time.monotonic() + seconds, Counter[str]()
    with Detector(kafka, partition, sessions=sessions, book=book, history=history, limit=limit) as owner:
        begun = owner.offsets
        while True:
            total += (counts := owner.step())
            if not counts["records"] or time.monotonic() > until:
                break
        return BatchSummary(partition, **total, from_offsets=begun, to_offsets=owner.offsets, rebuilt=owner.rebuilt)
