"""Transactions in a real Kafka: all or nothing, and a zombie is fenced."""

from __future__ import annotations

from contextlib import suppress

import pytest

from include.surveillance import broker
from include.surveillance.broker.transactions import Transactions
from include.surveillance.errors import BrokerError
from include.surveillance.places import Place
from tests.surveillance.broker.messages import new_topic, settle, values, write
from tests.surveillance.broker.test_identity import own as own
from tests.surveillance.broker.test_identity import patiently


def test_records_and_offsets_commit_together(kafka, topic):
    group, source = f"group-{topic}", new_topic(kafka)
    write(kafka, source, b"in")
    with broker.transaction(kafka, f"detector-{topic}", group) as ongoing:
        batch = broker.read(kafka, {(source, 0): None})
        ongoing.send_raw(topic, b"out", key="k")
        ongoing.add_places(batch.places)
    settle(kafka, f"detector-{topic}")
    assert values(broker.read(kafka, {(topic, 0): None})) == [b"out"]
    assert broker.committed(kafka, group, [(source, 0)]) == batch.places
    assert broker.lag(kafka, group, [(source, 0)]) == 0


def test_an_exception_undoes_records_and_offsets(kafka, topic):
    group, source = f"group-{topic}", new_topic(kafka)
    write(kafka, source, b"in")

    def fail():
        with broker.transaction(kafka, f"detector-{topic}", group) as ongoing:
            ongoing.send_raw(topic, b"out", key="k")
            ongoing.add_places({(source, 0): Place(2)})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert values(broker.read(kafka, {(topic, 0): None})) == []
    assert broker.committed(kafka, group, [(source, 0)]) == {(source, 0): None}


def test_a_zombie_is_fenced_and_leaves_nothing(kafka, topic):
    def zombie():
        with broker.transaction(kafka, f"detector-{topic}", "g") as ongoing:
            ongoing.send_raw(topic, b"zombie", key="k")
            write_as_successor()
            ongoing.send_raw(topic, b"zombie again", key="k")

    def write_as_successor():
        with broker.transaction(kafka, f"detector-{topic}", "g") as ongoing:
            ongoing.send_raw(topic, b"successor", key="k")

    with pytest.raises(BrokerError, match=rf"transaction detector-{topic}: another process has taken over"):
        zombie()
    settle(kafka, f"detector-{topic}")
    assert values(broker.read(kafka, {(topic, 0): None})) == [b"successor"]


def test_an_idle_zombie_cannot_commit_offsets(kafka, topic):
    group = f"group-{topic}"
    write(kafka, topic, b"1", b"2")

    def consume(offset: int, meanwhile=lambda: None):
        with broker.transaction(kafka, f"detector-{topic}", group) as ongoing:
            ongoing.add_places({(topic, 0): Place(offset)})
            meanwhile()

    with pytest.raises(BrokerError, match="another process has taken over"):
        consume(1, meanwhile=lambda: consume(3))
    settle(kafka, f"detector-{topic}")
    assert broker.committed(kafka, group, [(topic, 0)]) == {(topic, 0): Place(3)}


def test_offsets_that_are_none_are_what_the_error_says(kafka, topic):
    owner = broker.transaction(kafka, f"detector-{topic}", f"group-{topic}")
    with pytest.raises(OverflowError), owner as ongoing:
        ongoing.add_places({(topic, 0): Place(2**63)})


def test_who_rests_while_the_broker_is_started_again_is_not_held_for_ever(own, monkeypatch):
    with own.running() as kafka:
        broker.ensure_topics(kafka, 1)
        place = {(broker.BARS, 0): Place(0)}
        owner = Transactions(kafka, "resting", "resting").__enter__()
        with owner.transaction() as ongoing:
            ongoing.add_places(place)
    with own.running() as kafka:
        patiently(broker.read)(kafka, {(broker.BARS, 0): None})
        with monkeypatch.context() as patch, suppress(BrokerError), owner.transaction() as ongoing:
            patch.setattr("include.surveillance.broker.transactions.TIMEOUT_SECONDS", 2.0)
            ongoing.add_places(place)
        owner.__exit__()
        with Transactions(kafka, "resting", "resting") as successor, successor.transaction() as ongoing:
            ongoing.add_places(place)
