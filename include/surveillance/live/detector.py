"""Detects on one partition: each micro-batch is one Kafka transaction.

Metrics, alerts, rejects, the state snapshot and the consumed offsets become visible together or not at all. The
snapshot carries the offsets that it stands at, so a snapshot that does not fit the committed offsets is known as such
and rebuilt from the log.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import ExitStack
from operator import itemgetter

from include.surveillance import broker, failpoints
from include.surveillance.alerts.latency import stamp_headers
from include.surveillance.broker import Kafka, Position
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.shards import list_touched
from include.surveillance.errors import BrokerError, ConfigurationError
from include.surveillance.live.background import Background
from include.surveillance.live.intake import Decoded, Intake, decode_messages
from include.surveillance.live.predecessors import adopt_series
from include.surveillance.live.progress import GROUP, positions_of
from include.surveillance.live.restore import name_message, restore_state
from include.surveillance.places import Place
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import now_ms

LOG = logging.getLogger(__name__)
BACKGROUND_SECONDS = 1.0  # between looks for new profiles, which hold from a minute yet to come
WARN_AT = 0.5  # of the largest message that Kafka takes
COUNTS = ("records", "bars", "metrics", "alerts", "duplicates", "late", "rejected")


def list_partitions(kafka: Kafka) -> list[int]:
    """List the partitions that detection works on, one detector each.

    Raises:
        ConfigurationError: topics differ in their number of partitions, or have other numbers than when detection last
            stored where it was: symbols have moved to other partitions than their state.
        BrokerError: Kafka cannot be reached, or a topic is missing.
    """
    # Bars choose their partition by symbol; all else of the symbol is in the partition of the same number.
    topics = (broker.BARS, broker.NEWS, broker.DETECTOR_STATE, broker.METRICS, broker.ALERTS, broker.REJECTED)
    counts = {topic: it.partitions for topic, it in broker.Identities(kafka)(topics).items()}
    partitions = counts[broker.BARS]
    if set(counts.values()) != {partitions}:
        listed = ", ".join(f"{topic} {count}" for topic, count in counts.items())
        raise ConfigurationError(
            f"topics have different numbers of partitions ({listed}), which would part symbols from their state: give "
            "all of them the largest number with kafka-topics --alter, or make them anew"
        )
    positions = [(broker.BARS, partition) for partition in range(partitions)]
    places = broker.committed(kafka, GROUP, positions, settled=False).values()
    stored = {place.partitions for place in places if place}
    if others := stored - {0, partitions}:
        raise ConfigurationError(
            f"topic {broker.BARS} has {partitions} partitions and had {', '.join(map(str, sorted(others)))} when "
            "detection last stored where it was, so that symbols have been parted from their state: pause DAG "
            f"detect_anomalies, run `python -m include.surveillance offsets reset detector`, by which detection "
            "begins anew at the oldest bar that Kafka has, and unpause it"
        )
    return list(range(partitions))


class Detector:
    """Owns one partition: keeps its clients open, and its state in memory from one batch to the next.

    To open it takes a second and locks the partition's earlier owner out; a batch takes milliseconds. So whoever
    expects more bars keeps it. After any exception nothing more can be done with it: the batch has left no trace, and
    the next owner goes on from the committed offsets.

    Attributes:
        rebuilt: whether the state had to be rebuilt from the log.
        seconds: how long the newest batch took, from its messages to Kafka's commit.
        arrivals: how many bars the newest batch had, and how many of them were late, corrected or stale.

    Args:
        limit: messages per topic and batch; it bounds the memory, some 7 kB a message.

    Raises:
        BrokerError: Kafka refused, or another process has taken the partition over.
        LogBrokenError: from ``step``: the log has changed under the detector; the next one goes on from the last
            place that both have in common.
        ConfigurationError: as of ``list_partitions``.
    """

    def __init__(
        self,
        kafka: Kafka,
        partition: int,
        *,
        sessions: Sessions,
        book: ParameterBook | None = None,
        history: Percentiles = "sketch",
        limit: int = 20_000,
    ):
        self.kafka, self.partition, self.sessions, self.limit = kafka, partition, sessions, limit
        self._warned = False
        self.seconds, self.arrivals = 0.0, Counter[str]()
        self.book, self.history = book or ParameterBook.default(), history

    def __enter__(self) -> Detector:
        count, positions = len(list_partitions(self.kafka)), positions_of(self.partition)
        with ExitStack() as opened:
            transactions = broker.Transactions(self.kafka, f"detector-{self.partition}", GROUP)
            self._transactions = opened.enter_context(transactions)
            # Symbols choose their partitions by this very hash.
            bounds = opened.enter_context(broker.Bounds(self.kafka))
            self._background = Background(
                self.kafka, bounds, lambda symbol: broker.choose_partition(symbol, count) == self.partition
            )
            self._publish_parameters()
            self._renew_engine()
            self._state, self._shards, self.rebuilt = restore_state(
                self.kafka, GROUP, positions, self._engine, self.history, self.limit
            )
            start = {position: self._state.places.get(position[0]) for position in positions}
            self._intake = opened.enter_context(Intake(self.kafka, start, bounds, self._state.clock_ms))
            if self.rebuilt:
                # Nobody need rebuild it once more, nor find the same break, before the next message comes.
                self._detect(Decoded([], [], []), self._intake.places, now_ms())
            self._opened, self._usable = opened.pop_all(), True
        sizes = self._shards.sizes.values()
        LOG.info(
            "detector %s: %s series, snapshot of %.1f MB in %s messages, the largest %.2f MB",
            self.partition, f"{len(self._state.keys):,}", sum(sizes) / 1e6, len(sizes), max(sizes, default=0) / 1e6,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def offsets(self) -> dict[str, int]:
        """Topic -> the committed offset, from which the next batch goes on."""
        return {topic: place.offset for topic, place in self._state.places.items()}

    def step(self, patience: float = 0.0) -> Counter[str]:
        """Work through what is there as one micro-batch, at most ``limit`` messages per topic; return ``COUNTS``.

        While there is nothing, wait for the first message, ``patience`` seconds at most. All zero: nothing came.
        """
        if not self._usable:
            raise BrokerError(f"the detector of partition {self.partition} has failed before; open a new one")
        self._usable = False
        batch = self._intake.read(self.limit, patience)
        began_ms = now_ms()
        counts = Counter(dict.fromkeys(COUNTS, 0))
        if {topic: offset for (topic, _), offset in batch.offsets.items()} != self.offsets:
            failpoints.reach("detect.consumed")
            if time.monotonic() - self._looked >= BACKGROUND_SECONDS and self._background.refresh():
                self._renew_engine()
            counts.update(self._detect(decode_messages(batch.messages), batch.places, began_ms))
            self.seconds = (now_ms() - began_ms) / 1_000
            failpoints.reach("detect.committed")
        self._usable = True
        return counts

    def _detect(self, decoded: Decoded, places: dict[Position, Place], began_ms: int) -> dict[str, int]:
        """Detect on a batch and publish what comes of it, in one transaction."""
        state = adopt_series(self.kafka, self.partition, self._engine, self._state, decoded.records)
        with self._transactions.transaction() as transaction:
            failpoints.reach("detect.begun")
            detection = detect_records(self._engine, state, decoded.records)
            failpoints.reach("detect.evaluated")
            for alert, index in zip(detection.alerts, detection.raised_by, strict=True):
                headers = stamp_headers(decoded.records[index], decoded.stored_ms[index], began_ms)
                transaction.send(alert, partition=self.partition, headers=headers)
            transaction.send_all(detection.metrics, partition=self.partition)
            transaction.send_all(decoded.rejects, partition=self.partition)
            detection.state.places = {topic: place for (topic, _), place in places.items()}
            detection.state.clock_ms = dict(self._intake.clock_ms)
            touched = list_touched(self._state, detection.state, decoded.records, self._engine.succession)
            for name, value in self._shards.update(detection.state, touched).items():
                key = name_message(self.partition, name)
                transaction.send_raw(broker.DETECTOR_STATE, value, key=key, partition=self.partition)
            transaction.add_places(places)
        self._state = detection.state
        self._watch_size()
        kinds = self.arrivals = detection.counts
        return {
            "records": len(decoded.records) + len(decoded.rejects),
            "bars": kinds["bars"],
            "metrics": len(detection.metrics),
            "alerts": len(detection.alerts),
            "duplicates": kinds["duplicate"],
            "late": sum(kinds[name] for name in ("late", "corrected", "stale")),
            "rejected": len(decoded.rejects),
        }

    def _watch_size(self) -> None:
        """Say so when the largest message of the snapshot has come near to what Kafka takes; once in its life."""
        name, largest = max(self._shards.sizes.items(), key=itemgetter(1), default=("", 0))
        if largest > WARN_AT * broker.LARGEST_MESSAGE and not self._warned:
            self._warned = True
            LOG.warning(
                "detector %s: shard %s of the state's snapshot has %.1f MB; Kafka takes %.1f MB a message, and beyond "
                "that detection stops: take symbols off the watchlist, or raise message.max.bytes of the broker",
                self.partition, name, largest / 1e6, broker.LARGEST_MESSAGE / 1e6,
            )  # fmt: skip

    def _publish_parameters(self) -> None:
        """Publish the parameters that nobody has used before; one partition does it for all."""
        known = {it.version for it in self._background.parameters}
        if self.partition == 0 and (new := [it for it in self.book.describe() if it.version not in known]):
            broker.publish(self.kafka, new)

    def _renew_engine(self) -> None:
        actions, profiles = self._background.actions, self._background.profiles
        self._engine = Engine(self.book, self.sessions, actions, profiles, judges="live")
        self._looked = time.monotonic()
