"""The vendor's client is made from the connections; its calls are counted only when the plan has a limit."""

import json
from urllib.parse import urlsplit

import pytest
from redis import Redis

from include.orchestration import connections
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
    assert Redis.from_url(redis_url).dbsize() == 1


@pytest.mark.usefixtures("polygon_connection")
@pytest.mark.parametrize(("allowed", "live", "patient"), [("", 75, 7), ("5", 5, 1), ("0", 0, 0)])
def test_who_can_wait_leaves_the_calls_of_a_second_to_live_polls(monkeypatch, allowed, live, patient):
    made = []
    monkeypatch.setattr("include.surveillance.polygon.client.Pace", made.append)
    monkeypatch.setenv("POLYGON_CALLS_PER_SECOND", allowed)
    connections.polygon()
    connections.polygon(connections.PATIENT_SECONDS)
    assert made == [calls for calls in (live, patient) if calls]
