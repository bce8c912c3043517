"""Airflow connections -> what the domain's functions take. The only place that knows the connection ids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.surveillance.broker import Publisher
    from include.surveillance.polygon.client import Polygon

POLYGON, KAFKA, WAREHOUSE, APPLICATION = "polygon_default", "kafka_default", "snowflake_default", "surveillance_db"
RATE_LIMIT = "rate_limit"
# For what nobody waits for: on a plan of few calls each page may have to wait for the next minute.
PATIENT_SECONDS = 300.0


def polygon(patience_seconds: float = 45.0) -> Polygon:
    """The vendor's client: host is the base URL, password the API key.

    With POLYGON_CALLS_PER_MINUTE all workers count their calls in the Redis of connection ``rate_limit``.
    """
    from include.surveillance.polygon.client import Polygon
    from include.surveillance.settings import Settings

    connection, rate_limit = _get(POLYGON), None
    if calls := Settings.from_env().polygon_calls_per_minute:
        from include.surveillance.polygon.rate_limit import RateLimit

        rate_limit = RateLimit(_get(RATE_LIMIT).get_uri(), calls, connection.password)
    return Polygon(connection.password, connection.host, rate_limit=rate_limit, patience_seconds=patience_seconds)


def lasting() -> tuple[Polygon, Publisher]:
    """The vendor's client and a publisher that stay open for the next task in this process, while their connections
    read the same: the fast lane polls hundreds of times a minute."""
    return _lasting(json.dumps([_get(POLYGON).get_uri(), kafka()], sort_keys=True))


@lru_cache(maxsize=1)
def _lasting(_connections: str) -> tuple[Polygon, Publisher]:
    from include.surveillance.broker import Publisher

    return polygon(), Publisher(kafka())


def kafka() -> dict[str, Any]:
    """The librdkafka client configuration in the connection's extra.

    Raises:
        ConfigurationError: no ``bootstrap.servers``.
    """
    from include.surveillance.errors import ConfigurationError

    client = _get(KAFKA).extra_dejson
    if not client.get("bootstrap.servers"):
        raise ConfigurationError(f"connection {KAFKA} has no bootstrap.servers in its extra; add host:port")
    return client


@contextmanager
def warehouse() -> Iterator[Any]:
    """An open connection to the warehouse, closed on leaving."""
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

    with closing(SnowflakeHook(snowflake_conn_id=WAREHOUSE).get_conn()) as connection:
        yield connection


@contextmanager
def application_database() -> Iterator[Any]:
    """An open connection to the application's database: one transaction, committed on leaving without an error."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    with closing(PostgresHook(postgres_conn_id=APPLICATION).get_conn()) as connection, connection:
        yield connection


def exists(conn_id: str) -> bool:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        Connection.get(conn_id)
    except AirflowNotFoundException:
        return False
    return True


def _get(conn_id: str) -> Any:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from include.surveillance.errors import ConfigurationError

    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException as error:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        raise ConfigurationError(f"connection {conn_id} is not defined; set {variable} or add it in Airflow") from error
