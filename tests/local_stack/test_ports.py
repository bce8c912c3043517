"""An occupied port is noticed before anything starts, and the message says which, whose, and what to change."""

from __future__ import annotations

import socket

import pytest

from include.local_stack.errors import StackError
from include.local_stack.ports import HOST, Ports


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_an_occupied_port_names_port_component_and_variable(taken):
    with pytest.raises(StackError) as error:
        Ports(kafka=taken).check_free(["kafka"])
    assert "\n" not in str(error.value)
    for part in (str(taken), "kafka", "KAFKA_PORT"):
        assert part in str(error.value)


def test_two_components_cannot_have_one_port():
    with socket.create_server((HOST, 0)) as closed_again:
        free = closed_again.getsockname()[1]
    with pytest.raises(StackError, match="REDIS_PORT"):
        Ports(postgres=free, redis=free).check_free(["postgres", "redis"])


def test_the_environment_sets_ports_and_empty_means_default():
    ports = Ports.from_env({"KAFKA_CONTROLLER_PORT": "19093", "AIRFLOW_PORT": ""})
    assert (ports.kafka_controller, ports.airflow) == (19093, Ports.airflow)


@pytest.mark.parametrize("value", ["web", "0", "65536", "-1"])
def test_what_is_no_port_is_refused(value):
    with pytest.raises(StackError, match="AIRFLOW_PORT"):
        Ports.from_env({"AIRFLOW_PORT": value})
