"""A detector whose topics were made anew, lost their tail or got more partitions: nothing skipped, told once."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from include.surveillance import broker, wire
from include.surveillance.errors import ConfigurationError, LogBrokenError
from include.surveillance.live import detector
from include.surveillance.live.detector import list_partitions, positions_of
from include.surveillance.places import Place
from tests.surveillance.broker.test_identity import make_anew, patiently
from tests.surveillance.live.partition_log import bar, detect, market, open_detector, read_values
from tests.surveillance.live.partition_log import partition as partition


def told(kafka, partition) -> list[str]:
    alerts = [wire.decode(value) for value in read_values(kafka, partition, broker.ALERTS)]
    return [alert.explanation for alert in alerts if alert.rule == "log_break"]


@pytest.mark.parametrize("restored", [False, True], ids=["offsets forgotten", "offsets restored"])
def test_topics_made_anew_are_read_from_their_beginning(kafka, partition, restored):
    broker.publish(kafka, market())
    detect(kafka, partition)
    stored = broker.committed(kafka, detector.GROUP, positions_of(partition))
    make_anew(kafka, broker.BARS)
    make_anew(kafka, broker.NEWS)
    if restored:
        broker.commit(kafka, detector.GROUP, stored)
    broker.publish(kafka, [bar(minute) for minute in range(200, 390)])
    with open_detector(kafka, partition) as owner:
        assert owner.rebuilt
        assert owner.step(10)["bars"] == 190
        assert broker.lag(kafka, detector.GROUP, positions_of(partition)) == 0
    with open_detector(kafka, partition) as owner:
        assert not owner.rebuilt, "the break is mended"
    assert len(told(kafka, partition)) == 2, "of each topic once"


def test_a_running_detector_notices_and_its_successor_goes_on(kafka, partition):
    broker.publish(kafka, market())
    with open_detector(kafka, partition) as owner:
        assert owner.step(10)["bars"] == 150
        make_anew(kafka, broker.BARS)
        broker.publish(kafka, [bar(minute) for minute in range(200, 390)])
        with pytest.raises(LogBrokenError, match="made anew"):
            owner.step(10)
    assert detect(kafka, partition).bars == 190
    assert len(told(kafka, partition)) == 1


def test_offsets_past_the_end_end_the_rebuild_and_nothing_is_skipped(kafka, partition):
    broker.publish(kafka, market())
    broker.commit(kafka, detector.GROUP, {(broker.BARS, partition): Place(5_000), (broker.NEWS, partition): Place(1)})
    with pytest.raises(LogBrokenError):
        broker.lag(kafka, detector.GROUP, positions_of(partition))
    with open_detector(kafka, partition) as owner:
        assert owner.step(10)["bars"] == 150
    assert broker.lag(kafka, detector.GROUP, positions_of(partition)) == 0
    assert len(told(kafka, partition)) == 1


def test_symbols_are_not_parted_from_their_state_in_silence(kafka, partition):
    broker.publish(kafka, market())
    detect(kafka, partition)
    add_partition(kafka, broker.BARS)
    with pytest.raises(ConfigurationError, match="different numbers of partitions"):
        open_detector(kafka, partition).__enter__()
    for topic in (broker.NEWS, broker.DETECTOR_STATE, broker.METRICS, broker.ALERTS, broker.REJECTED):
        add_partition(kafka, topic)
    with pytest.raises(ConfigurationError, match=r"has 2 partitions and had 1 .*offsets reset detector"):
        list_partitions(kafka)


def add_partition(kafka, topic: str) -> None:
    admin = AdminClient(kafka)
    admin.create_partitions([NewPartitions(topic, 2)], operation_timeout=15)[topic].result()
    patiently(broker.read)(kafka, {(topic, 1): None})
