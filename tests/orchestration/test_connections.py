"""The vendor's client is made from the connections; its calls are counted only when the plan has a limit."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Barrier
from urllib.parse import urlsplit

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowTaskTerminated
from redis import Redis

from include.orchestration import cancellation, connections
from include.surveillance import broker
from include.surveillance.errors import ConfigurationError, RateLimitedError, VendorUnavailableError


@pytest.fixture
def polygon_connection(monkeypatch):
    given = {"conn_type": "http", "host": "http://127.0.0.1:1", "password": "a-key-for-tests"}
    monkeypatch.setenv("AIRFLOW_CONN_POLYGON_DEFAULT", json.dumps(given))


@pytest.mark.usefixtures("polygon_connection")
def test_a_plan_with_a_limit_needs_the_place_where_calls_are_counted(monkeypatch):
    monkeypatch.setenv("POLYGON_CALLS_PER_MINUTE", "0")
    connections.polygon()
    monkeypatch.setenv("POLYGON_CALLS_PER_MINUTE", "5")
    with pytest.raises(ConfigurationError, match="rate_limit is not defined; set AIRFLOW_CONN_RATE_LIMIT"):
        connections.polygon()


@pytest.mark.usefixtures("polygon_connection")
def test_clients_share_the_calls_in_the_database_of_the_connection(monkeypatch, redis_url):
    address = urlsplit(redis_url)
    given = {"conn_type": "redis", "host": address.hostname, "port": address.port, "schema": address.path[1:]}
    monkeypatch.setenv("AIRFLOW_CONN_RATE_LIMIT", json.dumps(given))
    monkeypatch.setenv("POLYGON_CALLS_PER_MINUTE", "1")
    Redis.from_url(redis_url).flushdb()
    with pytest.raises(VendorUnavailableError, match="not reachable"):
        connections.polygon().check()
    with pytest.raises(RateLimitedError, match="all 1 calls"):
        connections.polygon().check()
    assert Redis.from_url(redis_url).dbsize() == 2, "the calls of the minute, and those of the second"


@pytest.mark.usefixtures("polygon_connection")
@pytest.mark.parametrize(("allowed", "live", "patient"), [("", 75, 7), ("5", 5, 1), ("0", 0, 0)])
def test_who_can_wait_leaves_the_calls_of_a_second_to_live_polls(monkeypatch, allowed, live, patient):
    made = []
    monkeypatch.setattr("include.surveillance.polygon.pace.Pace", lambda calls, shared: made.append(calls))
    monkeypatch.setenv("POLYGON_CALLS_PER_SECOND", allowed)
    connections.polygon()
    connections.polygon(connections.PATIENT_SECONDS)
    assert made == [calls for calls in (live, patient) if calls]


@pytest.mark.usefixtures("polygon_connection")
def test_all_polls_of_a_workers_first_minute_share_one_client_and_one_publisher(monkeypatch):
    kafka = {"conn_type": "kafka", "extra": {"bootstrap.servers": "127.0.0.1:1"}}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps(kafka))
    connections._open.cache_clear()
    meet = Barrier(200, timeout=60)

    def open_one(_):
        meet.wait()
        return connections.kept_open()

    with ThreadPoolExecutor(200) as pool:
        opened = list(pool.map(open_one, range(200)))
    assert len({id(polygon) for polygon, _ in opened}) == len({id(publisher) for _, publisher in opened}) == 1
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps(kafka).replace(":1", ":2"))
    assert connections.kept_open()[1] is not opened[0][1]
    connections._open.cache_clear()


def cancelled(work):
    """Run the work in a task that was cancelled."""
    current, context = cancellation.Cancellation(), copy_context()
    context.run(cancellation.CURRENT.set, current)
    current.set(AirflowTaskTerminated("given up"))
    return context.run(work)


def test_a_cancelled_task_publishes_nothing(monkeypatch):
    monkeypatch.setattr(broker.Publisher, "_open", lambda _: None)
    publisher = broker.Publisher({}, permit=cancellation.check_wanted)
    with pytest.raises(AirflowTaskTerminated):
        cancelled(lambda: publisher.publish([object()]))


def test_a_cancelled_task_stores_nothing(database):
    def store():
        with connections.application_database() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE stored_too_late (a int)")

    with pytest.raises(AirflowTaskTerminated):
        cancelled(store)
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('stored_too_late')")
        assert cursor.fetchone() == (None,)


def test_a_statement_that_hangs_ends(database, monkeypatch):
    monkeypatch.setattr(connections, "STATEMENT_SECONDS", 1)
    with (
        pytest.raises(psycopg.errors.QueryCanceled),
        connections.application_database() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("opened", [connections.application_database, connections.metadata_database])
def test_connecting_to_a_database_has_a_limit(database, metadata, opened):
    with opened() as connection:
        limits = connection.info.get_parameters()
    assert "statement_timeout" in limits["options"]
    assert limits["connect_timeout"] == str(connections.CONNECT_SECONDS)
    assert limits["tcp_user_timeout"] == str(connections.SILENT_SECONDS * 1_000)


def test_a_database_without_its_connection_says_what_to_set(monkeypatch):
    monkeypatch.delenv("AIRFLOW_CONN_SURVEILLANCE_DB", raising=False)
    with (
        pytest.raises(ConfigurationError, match="surveillance_db is not defined; set AIRFLOW_CONN_SURVEILLANCE_DB"),
        connections.application_database(),
    ):
        pass


@pytest.mark.parametrize("by", ["the environment", "Airflow"])
def test_the_place_that_counts_is_named(monkeypatch, by):
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", '{"conn_type": "kafka"}')
    found = connections.Connection.get("kafka_default")
    monkeypatch.setattr(connections.Connection, "get", lambda _: found)
    if by == "Airflow":
        monkeypatch.delenv("AIRFLOW_CONN_KAFKA_DEFAULT")
    with pytest.raises(ConfigurationError, match=r"kafka_default .*no bootstrap.servers") as error:
        connections.kafka()
    assert ("AIRFLOW_CONN_KAFKA_DEFAULT, which wins" in str(error.value)) is (by == "the environment")
