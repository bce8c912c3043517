"""Kafka: topics, publish, consume, exactly-once transactions and lag.

``kafka`` is everywhere a librdkafka client configuration, at least ``bootstrap.servers``. Every reader sees
committed records only and takes a partition's end-of-partition offset, not the last record's, as its next
offset: transaction markers occupy offsets too.
"""

from .client import Closing, Kafka, Position
from .consuming import LagProbe, commit, committed, lag, last_value, partitions_of, read_compacted
from .producing import Publisher, publish
from .reading import Batch, Bounds, Reader, Received, read
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
from .transactions import Transaction, Transactions, transaction

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
    "Bounds",
    "Closing",
    "Kafka",
    "LagProbe",
    "Position",
    "Publisher",
    "Reader",
    "Received",
    "TopicSpec",
    "Transaction",
    "Transactions",
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
