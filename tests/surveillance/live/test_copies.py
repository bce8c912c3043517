"""The whole log in a folder and back, on a real Kafka whose topics were lost meanwhile."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from tenacity import Retrying, stop_after_delay, wait_fixed

from include.surveillance import broker, wire
from include.surveillance.broker.client import new_consumer, read_bounds
from include.surveillance.errors import ConfigurationError
from include.surveillance.live import copies, detector
from include.surveillance.live.copies import copy_log, prepare_log, read_places, restore_log
from include.surveillance.places import Place
from tests.conftest import kafka_server
from tests.surveillance.live.partition_log import detect, market, open_detector, outputs, read_values, settle

PARTITION, LATER = 0, 20
ALERTS = [(broker.ALERTS, PARTITION)]


@pytest.fixture(scope="module")
def kafka(folder):
    """A broker of our own: other tests use the platform's topics."""
    with kafka_server(folder / "kafka-to-copy") as client:
        yield client


@pytest.fixture
def log(kafka):
    """The platform's topics, with a morning of bars; everything is taken away behind the test."""
    broker.ensure_topics(kafka, 1)
    broker.publish(kafka, market()[:-LATER])
    detect(kafka, PARTITION)
    for topic in (broker.METRICS, broker.ALERTS):
        settle(kafka, (topic, PARTITION))
    yield kafka
    lose_topics(kafka)


def lose_topics(kafka) -> None:
    admin, names = AdminClient(kafka), [spec.name for spec in broker.TOPICS]
    for future in admin.delete_topics(names).values():
        future.result()
    for attempt in Retrying(wait=wait_fixed(0.1), stop=stop_after_delay(30), reraise=True):
        with attempt:
            assert not set(names) & admin.list_topics(timeout=5).topics.keys()


def copy(kafka, folder):
    places = read_places(kafka, "notifier", ALERTS)
    return copy_log(kafka, folder / "kafka", places)


def restore(kafka, folder, copied) -> None:
    prepare_log(kafka, copied)
    restore_log(kafka, folder / "kafka", copied)


def detect_the_rest(kafka) -> None:
    broker.publish(kafka, market()[-LATER:])
    detect(kafka, PARTITION)


def test_detection_goes_on_from_a_restored_log_as_if_nothing_had_happened(log, tmp_path):
    copied = copy(log, tmp_path)
    detect_the_rest(log)
    undisturbed = outputs(log, PARTITION)
    lose_topics(log)

    restore(log, tmp_path, copied)
    with open_detector(log, PARTITION) as owner:
        assert not owner.rebuilt
    assert broker.lag(log, detector.GROUP, detector.positions_of(PARTITION)) == 0
    detect_the_rest(log)
    assert outputs(log, PARTITION) == undisturbed
    assert {wire.decode(value).rule for value in undisturbed[broker.ALERTS]} > {"abnormal_volume"}


def test_what_a_group_has_not_read_is_still_unread(log, tmp_path):
    assert len(read_values(log, PARTITION, broker.ALERTS)) > 2
    unread = read_values(log, PARTITION, broker.ALERTS)[1:]
    offset = broker.read(log, dict.fromkeys(ALERTS)).messages[1].offset
    broker.commit(log, "notifier", {ALERTS[0]: Place(offset, *broker.Identities(log)([broker.ALERTS])[broker.ALERTS])})
    copied = copy(log, tmp_path)
    lose_topics(log)
    restore(log, tmp_path, copied)
    places, breaks = broker.resume(log, broker.committed(log, "notifier", ALERTS))
    assert breaks == []
    assert [message.value for message in broker.read(log, places).messages] == unread


def test_kafka_stores_the_time_of_messages_again_and_keeps_what_it_kept(log, tmp_path):
    copied = copy(log, tmp_path)
    lose_topics(log)
    restore(log, tmp_path, copied)
    assert broker.configure_topics(log) == []


def test_messages_that_retention_has_deleted_do_not_disturb(log, tmp_path):
    with new_consumer(log, "reader") as consumer:
        _, end = read_bounds(consumer, (broker.METRICS, PARTITION))
    admin, at = AdminClient(log), TopicPartition(broker.METRICS, PARTITION, end // 2)
    admin.delete_records([at])[at].result()
    left = read_values(log, PARTITION, broker.METRICS)
    copied = copy(log, tmp_path)
    lose_topics(log)
    restore(log, tmp_path, copied)
    assert read_values(log, PARTITION, broker.METRICS) == left


def test_the_copy_has_no_half_of_a_transaction(log, tmp_path, monkeypatch):
    """Detection goes on between the look at its offsets and the look at its outputs; what is copied fits together."""
    looks = []
    read_once = copies.read_places

    def go_on_meanwhile(*arguments):
        looks.append(places := read_once(*arguments))
        if len(looks) == 1:
            detect_the_rest(log)
        return places

    monkeypatch.setattr(copies, "read_places", go_on_meanwhile)
    copied = copy_log(log, tmp_path / "kafka", [])
    undisturbed = outputs(log, PARTITION)
    assert len(looks) > 2
    lose_topics(log)
    restore(log, tmp_path, copied)
    assert outputs(log, PARTITION) == undisturbed
    assert broker.lag(log, detector.GROUP, detector.positions_of(PARTITION)) == 0


def test_a_kafka_that_has_messages_is_not_restored_into(log, tmp_path):
    copied = copy(log, tmp_path)
    before = outputs(log, PARTITION)
    with pytest.raises(ConfigurationError, match=rf"topics have messages already: {broker.BARS}"):
        restore(log, tmp_path, copied)
    assert outputs(log, PARTITION) == before


def test_a_copy_of_other_topics_is_refused(log, tmp_path, monkeypatch):
    copied = copy(log, tmp_path)
    monkeypatch.setattr(broker, "TOPICS", broker.TOPICS[1:])
    with pytest.raises(ConfigurationError, match=rf"{broker.BARS}: either the copy has the topic or this platform"):
        restore(log, tmp_path, copied)
