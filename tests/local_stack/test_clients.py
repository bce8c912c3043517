"""The clients of a stack reach its databases with nothing but its environment."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import psycopg2
import pytest

from include.local_stack.clients import Clients
from include.local_stack.environment import build_environment
from include.local_stack.market import Market
from include.local_stack.ports import Ports
from include.surveillance import broker
from tests.conftest import free_port
from tests.embedded_warehouse.launcher import Launcher
from tests.surveillance.broker.messages import PARTITIONS


@pytest.fixture(scope="module")
def clients(postgres_server, kafka, tmp_path_factory) -> Iterator[Clients]:
    """Clients of a stack of which PostgreSQL, Kafka and the warehouse alone are there."""
    port, credentials = postgres_server
    folder = tmp_path_factory.mktemp("stack")
    launcher = Launcher(folder, password=credentials["WAREHOUSE_PASSWORD"]).start()
    broker_port = int(kafka["bootstrap.servers"].rpartition(":")[2])
    ports = Ports(postgres=port, kafka=broker_port, warehouse=launcher.port, airflow=free_port())
    environment = build_environment(folder, ports, credentials, Market(), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", "")  # so that it is as before afterwards
        yield Clients(SimpleNamespace(environment=environment | {"REQUESTS_CA_BUNDLE": str(launcher.bundle)}))
    launcher.stop()


def test_each_database_is_entered_as_its_owner(clients):
    assert clients.database("select current_database(), current_user") == [("surveillance", "surveillance")]
    assert clients.database("select current_user", connection="AIRFLOW_DB") == [("airflow",)]


def test_values_are_bound(clients):
    assert clients.database("select %s::text, %s::int", ["it's", 7]) == [("it's", 7)]
    assert clients.warehouse("select %s", ("it's",)) == [("it's",)]


def test_an_error_of_a_query_is_raised_and_the_next_query_works(clients):
    with pytest.raises(psycopg2.errors.UndefinedTable):
        clients.database("select * from nowhere")
    assert clients.warehouse("select current_database()") == [("MARKET",)]


def test_every_partition_of_a_topic_is_named(clients, kafka):
    broker.ensure_topics(kafka, PARTITIONS)
    assert clients.positions(broker.ALERTS) == [(broker.ALERTS, partition) for partition in range(PARTITIONS)]


def test_airflow_is_asked_when_it_is_needed(clients):
    """The stack may not have been started yet when its clients are made."""
    with pytest.raises(httpx.ConnectError):
        _ = clients.airflow
