"""Reads the bars and news around alerts from Kafka, and keeps those of live alerts in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.orchestration import connections
from include.orchestration.application.evidence import list_unkept, store_evidence
from include.surveillance.desk.evidence import Evidence, Subject, gather

if TYPE_CHECKING:
    from include.surveillance.records import AnyRecord

AT_ONCE = 500
# Kafka keeps bars and news for 35 days.
OLDEST = timedelta(days=30)


def keep_evidence(now: datetime) -> int:
    """Keep the evidence of each live alert around which everything is there, once; return of how many that was.

    A try that dies is repeated by the next, which stores what is not stored yet.
    """
    stored = 0
    while subjects := list_unkept(now - OLDEST, now, AT_ONCE):
        stored += store_evidence(read_evidence(connections.kafka(), subjects))
    return stored


def read_evidence(kafka: dict[str, Any], subjects: Sequence[Subject]) -> list[Evidence]:
    """Read what Kafka has around alerts, each partition once.

    Raises:
        BrokerError: Kafka cannot be reached.
    """
    from include.surveillance import broker  # Kafka's client is too heavy for whoever parses a DAG

    partitions = len(broker.partitions_of(kafka, broker.BARS))
    together: dict[int, list[Subject]] = defaultdict(list)
    for subject in subjects:
        together[broker.choose_partition(subject.symbol, partitions)].append(subject)
    gathered = []
    for partition, group in together.items():
        records = _read_records(kafka, partition, {it.symbol for it in group}, min(it.since_ms for it in group))
        gathered += [gather(subject, records[subject.symbol]) for subject in group]
    return gathered


def _read_records(
    kafka: dict[str, Any], partition: int, symbols: Collection[str], since_ms: int
) -> dict[str, list[AnyRecord]]:
    """Read what one partition has stored of symbols since then. What cannot be decoded, whoever consumes it rejects."""
    from include.surveillance import broker, wire

    records: dict[str, list[AnyRecord]] = defaultdict(list)
    for topic in (broker.BARS, broker.NEWS):
        for batch in broker.read_all(kafka, broker.places_since(kafka, topic, since_ms, [partition])):
            for message in batch.messages:
                if message.key in symbols:
                    with suppress(wire.WireError):
                        records[message.key].append(wire.decode(message.value))
    return records
