"""Topics in a real Kafka: created once, configured, never repartitioned."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from include.surveillance import broker
from include.surveillance.errors import BrokerError, ConfigurationError
from tests.surveillance.broker.messages import PARTITIONS


def test_ensure_topics_creates_nothing_the_second_time(kafka):
    assert broker.ensure_topics(kafka, PARTITIONS) == []


def test_ensure_topics_refuses_to_move_symbols_to_other_partitions(kafka):
    with pytest.raises(ConfigurationError, match="KAFKA_PARTITIONS=4"):
        broker.ensure_topics(kafka, 8)


@pytest.mark.parametrize("name", [broker.DETECTOR_STATE, broker.BASELINES])
def test_state_topics_are_compacted_and_take_large_snapshots(kafka, name):
    resource = ConfigResource(ResourceType.TOPIC, name)
    admin = AdminClient(kafka)  # a client that is collected takes its futures with it
    config = admin.describe_configs([resource])[resource].result(10)
    assert config["cleanup.policy"].value == "compact"
    assert int(config["max.message.bytes"].value) == 16 * 1024 * 1024


def test_what_lands_is_not_compacted_before(kafka):
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in (broker.DETECTOR_STATE, broker.BASELINES)]
    admin = AdminClient(kafka)
    lags = [it.result(10)["min.compaction.lag.ms"].value for it in admin.describe_configs(resources).values()]
    assert lags == ["0", str(7 * 86_400_000)]


def test_a_topic_of_an_older_version_gets_the_retention_of_this_one(kafka):
    broker.configure_topics(kafka)  # other tests make topics anew
    admin, old = AdminClient(kafka), ConfigResource(ResourceType.TOPIC, broker.METRICS)
    for name, value in (("retention.ms", "1000000"), ("segment.ms", "7200000")):
        old.add_incremental_config(ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET))
    admin.incremental_alter_configs([old])[old].result()
    assert broker.configure_topics(kafka) == [broker.METRICS]
    assert broker.configure_topics(kafka) == []
    topic = ConfigResource(ResourceType.TOPIC, broker.METRICS)
    config = admin.describe_configs([topic])[topic].result()
    assert config["retention.ms"].value == str(7 * 86_400_000)
    assert config["segment.ms"].value == "7200000"  # an operator's own


def test_unreachable_kafka_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("include.surveillance.broker.topics.TIMEOUT_SECONDS", 0.5)
    with pytest.raises(BrokerError, match=r"Kafka at 127.0.0.1:9 does not answer.*kafka_default"):
        broker.ensure_topics({"bootstrap.servers": "127.0.0.1:9"}, PARTITIONS)
