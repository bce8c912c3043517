"""The state at the committed offsets: from the snapshot, or from the log once more."""

from __future__ import annotations

import logging

import pytest

from include.surveillance import broker
from include.surveillance.detection.engine import Engine
from include.surveillance.detection.log_pass import detect_records
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.detection.state import State
from include.surveillance.live import detector
from include.surveillance.live import restore as restore_module
from include.surveillance.live.detector import positions_of
from include.surveillance.live.restore import restore_state
from tests.surveillance.live.partition_log import (
    SESSIONS,
    bar,
    detect,
    market,
    read_values,
    snapshot,
)
from tests.surveillance.live.partition_log import partition as partition

ENGINE = Engine(ParameterBook.default(), SESSIONS)


def test_a_snapshot_that_does_not_fit_is_rebuilt_from_the_log(kafka, partition, caplog):
    records = market()
    broker.publish(kafka, records[:-3])
    detect(kafka, partition)
    expected = snapshot(kafka, partition)
    with broker.transaction(kafka, "intruder", "other") as transaction:
        transaction.send_raw(broker.DETECTOR_STATE, b"broken", key=str(partition), partition=partition)
    alerts = read_values(kafka, partition, broker.ALERTS)
    broker.publish(kafka, records[-3:])
    with caplog.at_level(logging.WARNING, restore_module.__name__):
        summary = detect(kafka, partition)
    assert summary.rebuilt
    assert "rebuilt from the log" in caplog.text
    assert "unreadable detector snapshot" in caplog.text
    assert summary.metrics == 3 - 1
    assert read_values(kafka, partition, broker.ALERTS)[: len(alerts)] == alerts
    assert expected is not None
    # The rebuilt state goes on as if nothing had happened.
    after = snapshot(kafka, partition)
    broker.commit(kafka, detector.GROUP, dict.fromkeys(positions_of(partition), 0))
    detect(kafka, partition)
    assert snapshot(kafka, partition) == after


def test_without_anything_committed_there_is_nothing_to_restore(kafka, partition):
    state, rebuilt = restore(kafka, partition)
    assert (state.to_bytes(), rebuilt) == (State("sketch").to_bytes(), False)


def test_a_snapshot_at_the_committed_offsets_is_the_state(kafka, partition):
    broker.publish(kafka, market())
    detect(kafka, partition)
    state, rebuilt = restore(kafka, partition)
    assert (state.to_bytes(), rebuilt) == (snapshot(kafka, partition), False)


def test_the_snapshot_of_a_group_whose_offsets_kafka_has_forgotten_still_holds(kafka, partition, monkeypatch):
    broker.publish(kafka, market())
    detect(kafka, partition)
    monkeypatch.setattr(detector, "GROUP", f"{detector.GROUP}-anew")
    state, rebuilt = restore(kafka, partition)
    assert (state.offsets, rebuilt) == ({broker.BARS: 151, broker.NEWS: 1}, False)


@pytest.mark.parametrize("limit", [7, 1_000])
def test_a_state_of_other_percentiles_is_rebuilt_up_to_the_committed_offsets(kafka, partition, limit):
    records = market()
    broker.publish(kafka, records[:100])
    detect(kafka, partition)
    broker.publish(kafka, records[100:])
    state, rebuilt = restore(kafka, partition, "exact", limit)
    assert (rebuilt, state.offsets) == (True, broker_offsets(kafka, partition))
    expected = detect_records(ENGINE, State("exact"), [bar(0), *records[:100]]).state
    expected.offsets = state.offsets
    assert state.to_bytes() == expected.to_bytes()


def restore(kafka, partition: int, history: str = "sketch", limit: int = 1_000) -> tuple[State, bool]:
    return restore_state(kafka, detector.GROUP, positions_of(partition), ENGINE, history, limit)


def broker_offsets(kafka, partition: int) -> dict[str, int]:
    committed = broker.committed(kafka, detector.GROUP, positions_of(partition))
    return {topic: offset for (topic, _), offset in committed.items()}
