"""The broker module against a Kafka that wants a login over TLS: all of it is the connection's configuration."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from include.embedded_warehouse.certificates import ensure_certificates
from include.local_stack import kafka as kafka_broker
from include.surveillance import broker
from include.surveillance.errors import BrokerError
from include.surveillance.places import Place
from include.surveillance.records import Split
from tests.conftest import JARS, free_port, service

MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
SPLIT = Split(symbol="ACME", execution_date="2026-01-02", split_from=1, split_to=2)
POSITION = (broker.BASELINES, 0)


def properties(port: int, controller: int, folder: Path, password: str) -> str:
    """What a broker on localhost needs besides: one listener, TLS and a password; the broker is its own client too."""
    settings = {
        "listeners": f"SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"SASL_SSL://127.0.0.1:{port}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{MODULE} required username="surveillance" '
        f'password="{password}" user_surveillance="{password}";',
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": folder / "keystore.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": folder / "ca-bundle.pem",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


@pytest.fixture(scope="module")
def secured(tmp_path_factory) -> Iterator[dict[str, str]]:
    """A real broker with one listener, SASL_SSL; yields the extra of a connection that may use it."""
    home, tls, password = tmp_path_factory.mktemp("kafka"), tmp_path_factory.mktemp("tls"), secrets.token_hex(12)
    files, port, controller = ensure_certificates(tls), free_port(), free_port()
    (tls / "keystore.pem").write_text(files.key.read_text() + files.certificate.read_text())
    kafka_broker.ensure_jars(JARS)
    kafka_broker.prepare(home, JARS, port, controller)
    with (home / "server.properties").open("a") as config:
        config.write(properties(port, controller, tls, password))
    extra = {
        "bootstrap.servers": f"127.0.0.1:{port}",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "surveillance",
        "sasl.password": password,
        "ssl.ca.location": str(files.bundle),
    }

    def ready() -> bool:
        try:
            return bool(AdminClient({**extra, "log_level": 0}).list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    with service(kafka_broker.command(home, JARS), ready, home / "log"):
        broker.ensure_topics(extra, 1)
        yield extra


def test_everything_works_with_the_right_login(secured):
    assert broker.publish(secured, [SPLIT]) == {broker.BASELINES: 1}
    with broker.transaction(secured, "secured", "group") as ongoing:
        ongoing.send_raw(broker.BASELINES, b"newest", key="k")
        ongoing.add_places({POSITION: Place(1)})
    with broker.transaction(secured, "secured", "group"):
        pass  # waits until the one before is visible
    assert broker.read_compacted(secured, broker.BASELINES)["k"] == b"newest"
    assert broker.read(secured, {POSITION: None}).offsets == {POSITION: 3}
    assert broker.lag(secured, "group", [POSITION]) == 2


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"sasl.password": "not-the-password"}, "Authentication failed"),
        ({"ssl.ca.location": certifi.where()}, "broker certificate could not be verified"),
        ({"sasl.mechanism": "SCRAM-SHA-512"}, "Unsupported SASL mechanism"),
        ({"security.protocol": "SASL_PLAINTEXT"}, ""),  # the broker hangs up without a word
    ],
)
def test_a_refusal_is_one_sentence_and_its_reason_is_in_the_log(secured, monkeypatch, caplog, wrong, reason):
    monkeypatch.setattr("include.surveillance.broker.identity.TIMEOUT_SECONDS", 1.5)
    with pytest.raises(BrokerError, match=r"does not answer .*login or TLS in connection kafka_default"):
        broker.read(secured | wrong, {POSITION: None})
    assert reason in caplog.text
    assert not leaks(caplog.text, [secured, wrong])


def test_a_setting_that_does_not_exist_is_named(secured):
    with pytest.raises(BrokerError, match=r"sasl\.pasword"):
        broker.read(secured | {"sasl.pasword": "x"}, {POSITION: None})


def test_not_even_a_talking_client_says_the_password(secured, caplog):
    caplog.set_level("DEBUG")
    broker.publish(secured | {"debug": "all", "log_level": 7}, [SPLIT])
    assert "SASL" in caplog.text
    assert not leaks(caplog.text, [secured])


def leaks(text: str, extras: list[dict[str, str]]) -> bool:
    return any(extra["sasl.password"] in text for extra in extras if "sasl.password" in extra)
