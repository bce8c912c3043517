"""Restores the state that fits the committed offsets: from the partition's snapshot, or from the log once more."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from include.surveillance import broker
from include.surveillance.broker import Kafka, Position
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.percentiles import Percentiles
from include.surveillance.detection.shards import HEAD, Shards, read_shards
from include.surveillance.detection.state import State, StateError
from include.surveillance.live.intake import Intake, decode_messages

LOG = logging.getLogger(__name__)


def restore_state(
    kafka: Kafka, group: str, positions: Sequence[Position], engine: Engine, history: Percentiles, limit: int
) -> tuple[State, Shards, bool]:
    """Return the state of one partition at the group's committed offsets, what of it the topic of snapshots has, and
    whether it had to be rebuilt.

    Args:
        positions: what the partition's detector consumes.
        limit: how many messages to rebuild from at once.
    """
    partition = positions[0][1]
    committed = {
        topic: offset for (topic, _), offset in broker.committed(kafka, group, positions).items() if offset is not None
    }
    stored = read_snapshot(kafka, partition)
    shards, reason = Shards(stale=stored.keys() - {HEAD}), "there is no snapshot"
    if HEAD in stored:
        try:
            state, fitting = read_shards(stored[HEAD], stored)
        except StateError as error:
            reason = str(error)
        else:
            # Kafka forgets the offsets of a group that rests for a week; the snapshot still has them.
            if state.percentiles == history and committed in ({}, state.offsets):
                return state, fitting, False
            reason = f"the snapshot ({state.percentiles}) stands at {state.offsets}"
    if not committed:
        return State(history), shards, False
    LOG.warning(
        "detector %s: state is rebuilt from the log up to %s (%s), because %s", partition, committed, history, reason
    )
    return _rebuild_state(kafka, positions, engine, history, committed, limit), shards, True


def name_message(partition: int, shard: str) -> str:
    """Return the key under which the topic of snapshots keeps the head or a shard of a partition's state."""
    return f"{partition}/{shard}" if shard != HEAD else str(partition)


def read_snapshot(kafka: Kafka, partition: int) -> dict[str, bytes]:
    """Read the head and the shards of a partition's state, by name, as the topic of snapshots has them."""
    prefix = name_message(partition, "")
    stored = broker.read_compacted(kafka, broker.DETECTOR_STATE, [partition])
    return {key.removeprefix(prefix).removeprefix("/"): value for key, value in stored.items()}


def _rebuild_state(
    kafka: Kafka, positions: Sequence[Position], engine: Engine, history: Percentiles, until: dict[str, int], limit: int
) -> State:
    """Detect on the log once more up to ``until``; its metrics and alerts have been published before."""
    state = State(history)
    with Intake(kafka, dict.fromkeys(positions)) as log:
        while True:
            batch = log.read(limit)
            messages = [message for message in batch.messages if message.offset < until.get(message.topic, 0)]
            state = detect_records(engine, state, decode_messages(messages).records).state
            if all(offset >= until.get(topic, 0) for (topic, _), offset in batch.next_offsets.items()):
                state.offsets = until
                return state
