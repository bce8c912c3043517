"""Restores the state that fits the committed offsets: from the partition's snapshot, or from the log once more."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from include.surveillance import broker
from include.surveillance.alerts.log_breaks import describe_breaks
from include.surveillance.broker import Kafka, Position
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.shards import HEAD, Shards, read_shards
from include.surveillance.detection.state import State, StateError
from include.surveillance.live.intake import Intake, decode_messages
from include.surveillance.live.predecessors import adopt_series
from include.surveillance.places import Place
from include.surveillance.timespans import now_ms

LOG = logging.getLogger(__name__)


def restore_state(
    kafka: Kafka, group: str, positions: Sequence[Position], engine: Engine, history: Percentiles, limit: int
) -> tuple[State, Shards, bool]:
    """Return the state of one partition at the group's stored places, what of it the topic of snapshots has, and
    whether it had to be rebuilt.

    Where a log does not have such a place any more, people are told, and the state is that of the last common one.

    Args:
        positions: what the partition's detector consumes.
        limit: how many messages to rebuild from at once.
    """
    partition = positions[0][1]
    stored = {
        topic: place for (topic, _), place in broker.committed(kafka, group, positions).items() if place is not None
    }
    snapshot = read_snapshot(kafka, partition)
    shards, reason = Shards(stale=snapshot.keys() - {HEAD}), "there is no snapshot"
    fitting: tuple[State, Shards] | None = None
    if HEAD in snapshot:
        try:
            state, written = read_shards(snapshot[HEAD], snapshot)
        except StateError as error:
            reason = str(error)
        else:
            # Kafka forgets the offsets of a group that rests for a week, and of a topic that is deleted; the snapshot
            # still has them.
            stored = state.places | stored
            if state.percentiles == history and stored == state.places:
                fitting = state, written
            reason = f"the snapshot ({state.percentiles}) stands at {state.places}"
    resumed, breaks = broker.resume(kafka, {(topic, partition): place for topic, place in stored.items()})
    if breaks:
        broker.publish(kafka, describe_breaks(breaks, now_ms()))
        reason = "; ".join(it.describe() for it in breaks)
    elif fitting:
        return *fitting, False
    if not stored:
        return State(history), shards, False
    until = {topic: place for (topic, _), place in resumed.items() if place is not None}
    LOG.warning("detector %s: state is rebuilt from the log up to %s (%s): %s", partition, until, history, reason)
    return _rebuild_state(kafka, positions, engine, history, until, limit), shards, True


def name_message(partition: int, shard: str) -> str:
    """Return the key under which the topic of snapshots keeps the head or a shard of a partition's state."""
    return f"{partition}/{shard}" if shard != HEAD else str(partition)


def read_snapshot(kafka: Kafka, partition: int) -> dict[str, bytes]:
    """Read the head and the shards of a partition's state, by name, as the topic of snapshots has them."""
    prefix = name_message(partition, "")
    stored = broker.read_compacted(kafka, broker.DETECTOR_STATE, [partition])
    return {key.removeprefix(prefix).removeprefix("/"): value for key, value in stored.items()}


def _rebuild_state(
    kafka: Kafka,
    positions: Sequence[Position],
    engine: Engine,
    history: Percentiles,
    until: dict[str, Place],
    limit: int,
) -> State:
    """Detect on the log once more up to ``until``; its metrics and alerts have been published before."""
    state, ends = State(history), {topic: place.offset for topic, place in until.items()}
    # Of what lies before the end alone: what is read beyond it is read once more, in the order that it had.
    clock_ms: dict[str, int] = {}
    with Intake(kafka, dict.fromkeys(positions)) as log:
        while True:
            batch = log.read(limit)
            messages = [message for message in batch.messages if message.offset < ends.get(message.topic, 0)]
            for message in messages:
                clock_ms[message.topic] = max(clock_ms.get(message.topic, 0), message.timestamp_ms)
            records = decode_messages(messages).records
            state = adopt_series(kafka, positions[0][1], engine, state, records)
            state = detect_records(engine, state, records).state
            # Without messages the log has come to its end.
            if not batch.messages or all(offset >= ends.get(topic, 0) for (topic, _), offset in batch.offsets.items()):
                state.places, state.clock_ms = until, clock_ms
                return state
