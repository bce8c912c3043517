"""Consume -> detect -> alert / measure of one partition: each batch is one Kafka transaction.

Metrics, alerts, rejects, the state snapshot and the consumed offsets become visible together or not at all. The
snapshot carries the offsets that it stands at, so a snapshot that does not fit the committed offsets is known as such
and rebuilt from the log.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from .. import broker, failpoints, wire
from ..broker import Kafka, Position
from ..models import Dividend, Profile, Split, TickerChange
from ..sessions import Sessions
from . import intake
from .actions import CorporateActions
from .engine import Engine
from .history import Form
from .parameters import ParameterBook
from .state import State, StateError

LOG = logging.getLogger(__name__)
GROUP = "detector"


@dataclass
class BatchSummary:
    """What one call did: counts of records, and per topic the offsets that it went from and to."""

    partition: int
    records: int = 0
    bars: int = 0
    alerts: int = 0
    metrics: int = 0
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
    book: ParameterBook | None = None,
    history: Form = "sketch",
    limit: int = 50_000,
    seconds: float = 60.0,
) -> BatchSummary:
    """Work through bars and news of one partition, ``limit`` messages per topic at a time, until none is left.

    After ``seconds`` no further batch is begun: a backlog of hours is worked off in several calls, each of which
    leaves everything committed. ``limit`` bounds the memory, some 10 kB a message.

    Raises:
        BrokerError: Kafka refused or another process has taken the partition over; the batch left no trace.
    """
    summary = BatchSummary(partition)
    positions = positions_of(partition)
    if not broker.lag(kafka, GROUP, positions):
        return summary
    actions, profiles = read_baselines(kafka)
    engine = Engine(book or ParameterBook.default(), sessions, actions, profiles)
    until = time.monotonic() + seconds
    # A batch that does not move on would be repeated for ever; whoever called may look again later.
    while _detect_batch(kafka, partition, engine, history, limit, summary) and broker.lag(kafka, GROUP, positions):
        if time.monotonic() > until:
            break
    return summary


def positions_of(partition: int) -> list[Position]:
    """What the detector of a partition consumes."""
    return [(broker.BARS, partition), (broker.NEWS, partition)]


def read_baselines(kafka: Kafka) -> tuple[CorporateActions, list[Profile]]:
    """The corporate actions and profiles known now."""
    found: dict[type, list] = {Split: [], Dividend: [], TickerChange: [], Profile: []}
    for raw in broker.read_compacted(kafka, broker.BASELINES).values():
        record = wire.decode(raw)
        if type(record) in found:
            found[type(record)].append(record)
    actions = CorporateActions(tuple(found[Split]), tuple(found[Dividend]), tuple(found[TickerChange]))
    return actions, found[Profile]


def _detect_batch(
    kafka: Kafka, partition: int, engine: Engine, history: Form, limit: int, summary: BatchSummary
) -> bool:
    """One transaction; whether any offset moved."""
    with broker.transaction(kafka, f"detector-{partition}", GROUP) as transaction:
        failpoints.reach("detect.begun")
        state, rebuilt = _load(kafka, partition, engine, history, limit)
        start: dict[Position, int | None] = {
            position: state.offsets.get(position[0]) for position in positions_of(partition)
        }
        batch = intake.read(kafka, start, limit)
        failpoints.reach("detect.consumed")
        records, rejects = intake.decode(batch.messages)
        detection = engine.run(state, records)
        failpoints.reach("detect.evaluated")
        for record in (*detection.metrics, *detection.alerts, *rejects):
            transaction.send(record, partition=partition)
        detection.state.offsets = {topic: offset for (topic, _), offset in batch.next_offsets.items()}
        transaction.send_raw(broker.DETECTOR_STATE, detection.state.to_bytes(), key=str(partition), partition=partition)
        transaction.consumed(batch.next_offsets)
    failpoints.reach("detect.committed")
    for topic, offset in state.offsets.items():
        summary.from_offsets.setdefault(topic, offset)
    summary.to_offsets = detection.state.offsets
    summary.rebuilt |= rebuilt
    summary.records += len(batch.messages)
    summary.bars += detection.counts["bars"]
    summary.alerts += len(detection.alerts)
    summary.metrics += len(detection.metrics)
    summary.duplicates += detection.counts["duplicate"]
    summary.late += detection.counts["late"] + detection.counts["stale"] + detection.counts["corrected"]
    summary.rejected += len(rejects)
    return any(batch.next_offsets[position] != offset for position, offset in start.items())


def _load(kafka: Kafka, partition: int, engine: Engine, history: Form, limit: int) -> tuple[State, bool]:
    """The state at the committed offsets, and whether it had to be rebuilt."""
    committed = {
        topic: offset
        for (topic, _), offset in broker.committed(kafka, GROUP, positions_of(partition)).items()
        if offset is not None
    }
    raw, reason = broker.last_value(kafka, broker.DETECTOR_STATE, partition), "there is no snapshot"
    if raw is not None:
        try:
            state = State.from_bytes(raw)
        except StateError as error:
            reason = str(error)
        else:
            # Kafka forgets the offsets of a group that rests for a week; the snapshot still has them.
            if state.history == history and committed in ({}, state.offsets):
                return state, False
            reason = f"the snapshot ({state.history}) stands at {state.offsets}"
    if not committed:
        return State(history), False
    LOG.warning(
        "detector %s: state is rebuilt from the log up to %s (%s), because %s", partition, committed, history, reason
    )
    return _rebuild(kafka, partition, engine, history, committed, limit), True


def _rebuild(kafka: Kafka, partition: int, engine: Engine, history: Form, until: dict[str, int], limit: int) -> State:
    """Run the log once more up to ``until``; what it finds has been published before."""
    state, cursor = State(history), dict.fromkeys(positions_of(partition))
    while True:
        batch = intake.read(kafka, cursor, limit)
        messages = [message for message in batch.messages if message.offset < until.get(message.topic, 0)]
        state = engine.run(state, intake.decode(messages)[0]).state
        cursor = dict(batch.next_offsets)
        if all(offset >= until.get(topic, 0) for (topic, _), offset in cursor.items()):
            state.offsets = until
            return state
