"""Everything on the topics, read once and kept: as it lies there, and as it should lie elsewhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from include.surveillance import broker, wire
from include.surveillance.broker import Batch, Kafka, Position, Received
from include.surveillance.errors import LogBrokenError
from include.surveillance.places import Break, Place
from include.surveillance.records import Bar, Reject
from include.surveillance.warehouse.rows import KINDS, TABLES, make_rows
from tests import ground
from tests.faults.vendor import Key, key_of

EVERYTHING = tuple(KINDS)  # the landed topics
LIMIT = 10_000_000
Landed = tuple[str, str, int, int]
"""A row of RAW: event id, topic, partition and offset."""


class Topics:
    """What has been read so far; each reader goes on from where the last one stopped.

    Attributes:
        places: where the next reader goes on; None: nothing has been read yet.
        bars: the newest bar of each symbol, timespan and start.
        pending: per partition, messages of bars and news that ``shadow`` has not seen yet.
        metrics, alerts: each message, and how often it is there.
        newest_alert: alert id -> its newest message.
        rejects: ids of everything rejected.
        rows: table -> what must be landed, a row per message. What has landed of a log that is gone stays.
        breaks: what has happened to the logs meanwhile.
        broken: partition -> places of bars and news up to which the log is the one that ``shadow`` has seen.
    """

    def __init__(self, kafka: Kafka, partitions: Iterable[int]):
        self._kafka = kafka
        self.places: dict[Position, Place | None] = {
            (topic, partition): None for partition in partitions for topic in EVERYTHING
        }
        self.messages: Counter[str] = Counter()
        self.bars: dict[Key, Bar] = {}
        self.pending: dict[int, list[Received]] = defaultdict(list)
        self.metrics: Counter[bytes] = Counter()
        self.alerts: Counter[bytes] = Counter()
        self.newest_alert: dict[str, bytes] = {}
        self.rejects: dict[str, Reject] = {}
        self.rows: dict[str, Counter[Landed]] = {table: Counter() for table in TABLES}
        self.breaks: list[Break] = []
        self.broken: dict[int, dict[Position, Place | None]] = {}

    def read(self, topics: Iterable[str] = EVERYTHING) -> None:
        """Read these topics to their ends.

        Raises:
            BrokerError: Kafka does not answer.
        """
        for topic in topics:
            try:
                batch = self._read(topic)
            except LogBrokenError:
                self._mend(topic)
                batch = self._read(topic)
            self.places |= batch.places
            for message in batch.messages:
                self._keep(message)

    def read_bars(self) -> None:
        self.read([broker.BARS])

    def newest_from(self, start_ms: int) -> set[tuple[str, str]]:
        """Symbol and timespan of series with a bar at or after ``start_ms``."""
        return {(symbol, timespan) for symbol, timespan, ts_ms in self.bars if ts_ms >= start_ms}

    def ends(self) -> dict[Position, int]:
        """Where each landed partition ends for readers of committed messages."""
        return ground.ends(self._kafka, self.places)

    @property
    def offsets(self) -> dict[Position, int | None]:
        """The places without the identity of their logs."""
        return {position: place and place.offset for position, place in self.places.items()}

    def _read(self, topic: str) -> Batch:
        positions = {position: place for position, place in self.places.items() if position[0] == topic}
        return broker.read(self._kafka, positions, limit=LIMIT)

    def _mend(self, topic: str) -> None:
        """Go on at the last common places; the bars are those that the log still has."""
        stored = {position: place for position, place in self.places.items() if position[0] == topic}
        resumed, breaks = broker.resume(self._kafka, stored)
        there = broker.read(self._kafka, dict.fromkeys(stored), limit=LIMIT).messages
        self.places |= resumed
        self.breaks += breaks
        if topic == broker.BARS:
            self.bars = {}
            for message in there:
                place = resumed[message.topic, message.partition]
                if place and message.offset < place.offset and isinstance(record := wire.decode(message.value), Bar):
                    self.bars[key_of(record)] = record
        for number in {found.partition for found in breaks}:
            consumed = ((broker.BARS, number), (broker.NEWS, number))
            self.broken[number] = {position: self.places[position] for position in consumed}

    def _keep(self, message: Received) -> None:
        value = message.value or b""
        for target, rows in make_rows([message]).items():
            self.rows[target].update((row.event_id, message.topic, message.partition, message.offset) for row in rows)
        if message.topic in (broker.BARS, broker.NEWS):
            self.pending[message.partition].append(message)
        if message.topic == broker.METRICS:
            self.metrics[value] += 1
        elif message.topic == broker.ALERTS:
            self.alerts[value] += 1
            self.newest_alert[wire.decode(value).event_id] = value
        elif message.topic == broker.REJECTED:
            record = wire.decode(value)
            self.rejects[record.event_id] = record
        elif message.topic == broker.BARS and isinstance(record := wire.decode(value), Bar):
            self.bars[key_of(record)] = record
            self.messages["bars"] += 1
