"""Kafka: topics, publish, consume, exactly-once transactions and lag.

``kafka`` is everywhere a librdkafka client configuration, at least ``bootstrap.servers``. Every reader sees
committed records only and takes a partition's end-of-partition offset, not the last record's, as its next
offset: transaction markers occupy offsets too.
"""

from .client import Kafka, Position
from .consuming import (
    Batch,
    LagProbe,
    Received,
    commit,
    committed,
    lag,
    last_value,
    partitions_of,
    read,
    read_compacted,
)
from .producing import Transaction, publish, transaction
from .topics import (
    ALERTS,
    BARS,
    BASELINES,
    DETECTOR_STATE,
    METRICS,
    NEWS,
    REFERENCE,
    REJECTED,
    TOPICS,
    TopicSpec,
    configure_topics,
    ensure_topics,
    topic_of,
)

__all__ = [
    "ALERTS",
    "BARS",
    "BASELINES",
    "DETECTOR_STATE",
    "METRICS",
    "NEWS",
    "REFERENCE",
    "REJECTED",
    "TOPICS",
    "Batch",
    "Kafka",
    "LagProbe",
    "Position",
    "Received",
    "TopicSpec",
    "Transaction",
    "commit",
    "committed",
    "configure_topics",
    "ensure_topics",
    "lag",
    "last_value",
    "partitions_of",
    "publish",
    "read",
    "read_compacted",
    "topic_of",
    "transaction",
]
