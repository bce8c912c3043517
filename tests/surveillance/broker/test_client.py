"""How clients are configured, and what is made of their errors."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from include.surveillance.broker.client import as_broker_error, key_text, new_consumer, new_producer, retrying
from include.surveillance.errors import BrokerError

KAFKA = {"bootstrap.servers": "kafka.example:9092"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (KafkaError._FENCED, r"read: another process has taken over; nothing of this batch was stored"),
        (KafkaError.INVALID_PRODUCER_EPOCH, r"another process has taken over"),
        (KafkaError._ALL_BROKERS_DOWN, r"Kafka at kafka\.example:9092 does not answer .*connection kafka_default"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, r"a topic is missing .*run DAG bootstrap_platform"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, r"read: TOPIC_AUTHORIZATION_FAILED: "),
    ],
)
def test_an_error_is_one_sentence_that_names_the_way_out(code, said):
    with pytest.raises(BrokerError, match=said), as_broker_error(KAFKA, "read"):
        raise KafkaException(KafkaError(code))


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), as_broker_error(KAFKA, "read"):
        raise ZeroDivisionError


def test_settings_of_a_group_member_are_not_taken_over():
    """A connection of Airflow may carry them; ours decide what a client commits and where it starts."""
    carried = {"group.id": "theirs", "enable.auto.commit": "true", "auto.offset.reset": "latest", "log_level": 0}
    new_consumer(KAFKA | carried, "ours").close()
    new_producer(KAFKA | carried)


def test_a_setting_that_librdkafka_does_not_know_is_an_error():
    with pytest.raises(KafkaException):
        new_consumer(KAFKA | {"sasl.pasword": "x"}, "ours")


@pytest.mark.parametrize(("key", "text"), [(b"AAPL", "AAPL"), ("AAPL", "AAPL"), (None, ""), (b"\xff", "\ufffd")])
def test_a_key_is_text_whatever_it_was(key, text):
    assert key_text(key) == text


def test_what_passes_by_itself_is_tried_again_and_the_rest_is_not(monkeypatch):
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    errors = [KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError._FENCED]
    asked = []

    @retrying
    def ask() -> None:
        asked.append(errors[len(asked)])
        raise KafkaException(KafkaError(asked[-1]))

    with pytest.raises(KafkaException):
        ask()
    assert asked == errors
