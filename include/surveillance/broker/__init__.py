"""Publishes to Kafka and reads from it: topics, exactly-once transactions, offsets and lag.

``kafka`` is everywhere a librdkafka client configuration, at least ``bootstrap.servers``. Every reader sees
committed records only and takes a partition's end-of-partition offset, not the last record's, as its next
offset: transaction markers occupy offsets too.
"""

from include.surveillance.broker.client import LARGEST_MESSAGE, Closing, Kafka, Position, choose_partition
from include.surveillance.broker.identity import Identities, resume
from include.surveillance.broker.offsets import (
    LagProbe,
    commit,
    committed,
    lag,
    oldest_unread,
    partitions_of,
    read_compacted,
)
from include.surveillance.broker.producer import Publisher, publish
from include.surveillance.broker.reader import (
    Batch,
    Bounds,
    Reader,
    Received,
    newest_records,
    places_since,
    read,
    read_all,
    records_since,
)
from include.surveillance.broker.topics import DETECTOR_STATE, TOPICS, configure_topics, ensure_topics
from include.surveillance.broker.transactions import Transaction, Transactions, transaction
from include.surveillance.records import (
    ALERTS,
    AUDIT,
    BARS,
    BASELINES,
    DISPOSITIONS,
    METRICS,
    NEWS,
    REFERENCE,
    REJECTED,
)
