"""The broker as the platform needs it: transactions work on one node, topics are not made by accident."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from include.local_stack import kafka as kafka_broker
from include.local_stack.errors import StackError
from tests.conftest import JARS


@pytest.fixture
def topic(kafka: dict[str, str]) -> str:
    name = f"test-{uuid.uuid4().hex}"
    admin = AdminClient(kafka)
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


def test_read_committed_sees_only_committed_transactions(kafka: dict[str, str], topic: str) -> None:
    producer = Producer({**kafka, "transactional.id": f"tx-{topic}"})
    producer.init_transactions(30)
    for value, end in ((b"dropped", producer.abort_transaction), (b"kept", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(30)
        end(30)
    consumer = Consumer({**kafka, "group.id": topic, "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    assert message.value() == b"kept"


def test_messages_of_many_megabytes_pass(kafka: dict[str, str], topic: str) -> None:
    errors = []
    producer = Producer({**kafka, "message.max.bytes": kafka_broker.MESSAGE_MAX_BYTES})
    producer.produce(topic, bytes(12 * 1024 * 1024), on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert errors == [None]


def test_unknown_topics_are_not_created(kafka: dict[str, str]) -> None:
    consumer = Consumer({**kafka, "group.id": "reader", "allow.auto.create.topics": True})
    consumer.subscribe(["nobody-made-this"])
    message = consumer.poll(30)
    consumer.close()
    assert message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_storage_is_formatted_once(kafka: dict[str, str], folder: Path) -> None:
    meta = folder / "kafka" / "data" / "meta.properties"
    before = meta.read_bytes()
    kafka_broker.prepare(folder / "kafka", folder / "no-jars", 1, 2)
    assert meta.read_bytes() == before


def test_no_broker_is_told_from_a_broker(kafka: dict[str, str]) -> None:
    assert kafka_broker.answers(kafka["bootstrap.servers"])
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}).list_topics(timeout=1)
    assert not kafka_broker.answers("127.0.0.1:1")


def test_a_jar_that_is_not_the_known_one_is_refused(kafka, tmp_path):
    for jar in JARS.glob("*.jar"):
        (tmp_path / jar.name).symlink_to(jar)
    kafka_broker.check_jars(tmp_path)
    changed = next(tmp_path.glob("kafka-clients-*.jar"))
    changed.unlink()
    changed.write_bytes(b"another")
    (tmp_path / "extra.jar").touch()
    with pytest.raises(StackError, match=rf"^extra\.jar, {changed.name} in .* is not what kafka\.sha256 says"):
        kafka_broker.check_jars(tmp_path)
