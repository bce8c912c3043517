"""Offsets, lag and the newest messages in a real Kafka."""

from __future__ import annotations

import uuid

import pytest

from include.surveillance import broker
from tests.surveillance.broker.messages import new_topic, write


def test_lag_counts_from_the_oldest_without_a_commit_and_is_zero_at_the_end(kafka, topic):
    group = f"group-{topic}"
    write(kafka, topic, b"1", b"2")
    assert broker.committed(kafka, group, [(topic, 0)]) == {(topic, 0): None}
    assert broker.lag(kafka, group, [(topic, 0)]) == 3

    broker.commit(kafka, group, broker.read(kafka, {(topic, 0): None}).places)

    places = broker.committed(kafka, group, [(topic, 0)])
    assert places == broker.read(kafka, places).places, "with the identity of their log"
    assert places[topic, 0].offset == 3
    with broker.LagProbe(kafka, group, [(topic, 0)]) as probe:
        assert probe.lag() == 0
        write(kafka, topic, b"3")
        assert probe.lag() == 2


@pytest.mark.parametrize("aborted", [0, 1, 6])
def test_the_newest_values_are_those_before_markers_and_aborted_tails(kafka, topic, aborted):
    write(kafka, topic, b"old", b"newest", key="k")
    for _ in range(aborted):
        write(kafka, topic, b"aborted", abort=True)
    assert broker.read_compacted(kafka, topic, [0])["k"] == b"newest"


def test_large_values_are_read(kafka):
    topic = new_topic(kafka, **{"max.message.bytes": str(16 * 1024 * 1024), "cleanup.policy": "compact"})
    snapshot = uuid.uuid4().bytes * 500_000
    write(kafka, topic, snapshot)
    assert list(broker.read_compacted(kafka, topic).values()) == [snapshot]


def test_read_compacted_takes_the_newest_of_each_key_and_drops_deleted_ones(kafka, topic):
    write(kafka, topic, b"1", b"2", key="kept")
    write(kafka, topic, b"3", None, key="deleted")
    assert broker.read_compacted(kafka, topic) == {"kept": b"2"}
