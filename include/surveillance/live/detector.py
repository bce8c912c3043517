"""Detects on one partition: each micro-batch is one Kafka transaction.

Metrics, alerts, rejects, the state snapshot and the consumed offsets become visible together or not at all. The
snapshot carries the offsets that it stands at, so a snapshot that does not fit the committed offsets is known as such
and rebuilt from the log.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack

from confluent_kafka import murmur2

from include.surveillance import broker, failpoints
from include.surveillance.alerts.latency import stamp_headers
from include.surveillance.broker import Kafka, Position
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.errors import BrokerError
from include.surveillance.live.background import Background
from include.surveillance.live.intake import Decoded, Intake, decode_messages
from include.surveillance.live.restore import restore_state
from include.surveillance.sessions import Sessions
from include.surveillance.timespans import now_ms

GROUP = "detector"
BACKGROUND_SECONDS = 1.0  # between looks for new profiles, which hold from a minute yet to come
COUNTS = ("records", "bars", "metrics", "alerts", "duplicates", "late", "rejected")


def positions_of(partition: int) -> list[Position]:
    """Name what the detector of a partition consumes."""
    return [(broker.BARS, partition), (broker.NEWS, partition)]


class Detector:
    """Owns one partition: keeps its clients open, and its state in memory from one batch to the next.

    To open it takes a second and locks the partition's earlier owner out; a batch takes milliseconds. So whoever
    expects more bars keeps it. After any exception nothing more can be done with it: the batch has left no trace, and
    the next owner goes on from the committed offsets.

    Attributes:
        rebuilt: whether the state had to be rebuilt from the log.

    Args:
        limit: messages per topic and batch; it bounds the memory, some 7 kB a message.

    Raises:
        BrokerError: Kafka refused, or another process has taken the partition over.
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
        self.book, self.history = book or ParameterBook.default(), history

    def __enter__(self) -> Detector:
        count, positions = len(broker.partitions_of(self.kafka, broker.BARS)), positions_of(self.partition)
        with ExitStack() as opened:
            transactions = broker.Transactions(self.kafka, f"detector-{self.partition}", GROUP)
            self._transactions = opened.enter_context(transactions)
            # Symbols choose their partitions by this very hash.
            bounds = opened.enter_context(broker.Bounds(self.kafka))
            self._background = Background(
                self.kafka, bounds, lambda symbol: murmur2(symbol.encode(), count) == self.partition
            )
            self._renew_engine()
            self._state, self.rebuilt = restore_state(
                self.kafka, GROUP, positions, self._engine, self.history, self.limit
            )
            start = {position: self._state.offsets.get(position[0]) for position in positions}
            self._intake = opened.enter_context(Intake(self.kafka, start, bounds))
            self._opened, self._usable = opened.pop_all(), True
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def offsets(self) -> dict[str, int]:
        """Topic -> the committed offset, from which the next batch goes on."""
        return dict(self._state.offsets)

    def step(self, patience: float = 0.0) -> Counter[str]:
        """Work through what is there as one micro-batch, at most ``limit`` messages per topic; return ``COUNTS``.

        While there is nothing, wait for the first message, ``patience`` seconds at most. All zero: nothing came.
        """
        if not self._usable:
            raise BrokerError(f"the detector of partition {self.partition} has failed before; open a new one")
        self._usable = False
        batch = self._intake.read(self.limit, patience)
        began_ms = now_ms()
        offsets = {topic: offset for (topic, _), offset in batch.next_offsets.items()}
        counts = Counter(dict.fromkeys(COUNTS, 0))
        if offsets != self._state.offsets:
            failpoints.reach("detect.consumed")
            if time.monotonic() - self._looked >= BACKGROUND_SECONDS and self._background.refresh():
                self._renew_engine()
            counts.update(self._detect(decode_messages(batch.messages), batch.next_offsets, offsets, began_ms))
            failpoints.reach("detect.committed")
        self._usable = True
        return counts

    def _detect(
        self, decoded: Decoded, next_offsets: dict[Position, int], offsets: dict[str, int], began_ms: int
    ) -> dict[str, int]:
        """Detect on a batch and publish what comes of it, in one transaction."""
        with self._transactions.transaction() as transaction:
            failpoints.reach("detect.begun")
            detection = detect_records(self._engine, self._state, decoded.records)
            failpoints.reach("detect.evaluated")
            transaction.send_all(detection.metrics, partition=self.partition)
            for alert, index in zip(detection.alerts, detection.raised_by, strict=True):
                headers = stamp_headers(decoded.records[index], decoded.stored_ms[index], began_ms)
                transaction.send(alert, partition=self.partition, headers=headers)
            transaction.send_all(decoded.rejects, partition=self.partition)
            detection.state.offsets = offsets
            snapshot = detection.state.to_bytes()
            transaction.send_raw(broker.DETECTOR_STATE, snapshot, key=str(self.partition), partition=self.partition)
            transaction.add_offsets(next_offsets)
        self._state = detection.state
        kinds = detection.counts
        return {
            "records": len(decoded.records) + len(decoded.rejects),
            "bars": kinds["bars"],
            "metrics": len(detection.metrics),
            "alerts": len(detection.alerts),
            "duplicates": kinds["duplicate"],
            "late": kinds["late"] + kinds["stale"] + kinds["corrected"],
            "rejected": len(decoded.rejects),
        }

    def _renew_engine(self) -> None:
        self._engine = Engine(self.book, self.sessions, self._background.actions, self._background.profiles)
        self._looked = time.monotonic()
