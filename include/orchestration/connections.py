"""Airflow's connections as what the domain's functions take. Only this module knows their ids.

Clients and hooks are imported where they are made: each process needs few of them, and they are heavy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from include.orchestration.cancellation import check_wanted
from include.orchestration.process_wide import once_per_process
from include.surveillance.errors import ConfigurationError
from include.surveillance.settings import Settings

if TYPE_CHECKING:
    from include.surveillance.broker import Publisher
    from include.surveillance.files.flat_files import FlatFiles
    from include.surveillance.polygon.client import Polygon
    from include.surveillance.polygon.official import Package

POLYGON, KAFKA, WAREHOUSE, APPLICATION = "polygon_default", "kafka_default", "snowflake_default", "surveillance_db"
APPLICATION_READER = "surveillance_reader"
# May write what people do with alerts, and nothing else there.
DESK = "surveillance_desk"
# What people press in Slack's messages is signed with its password; its extra says who they are here.
SLACK_ACTIONS = "slack_actions"
RATE_LIMIT, FLAT_FILES = "rate_limit", "flat_files"
# The Redis of which features are served.
FEATURE_STORE = "feature_store"
# Airflow's own database, which tasks cannot reach otherwise.
METADATA = "airflow_db"
# For what nobody waits for: on a plan of few calls each page may have to wait for the next minute.
PATIENT_SECONDS = 300.0
# Of a database: to connect, for a statement, and for a server that no longer acknowledges anything.
CONNECT_SECONDS, STATEMENT_SECONDS, SILENT_SECONDS = 10, 60, 30
# Of one that changes or clears whole tables.
LONG_STATEMENT_SECONDS = 3_600
# The page asks again every five seconds, and whoever has clicked waits.
READER_SECONDS = 10


def polygon(patience_seconds: float = 45.0) -> Polygon:
    """The vendor's client: host is the base URL, password the API key.

    All workers count their calls in the Redis of connection ``rate_limit``; without that, and without a limit a minute,
    each worker counts its own.
    """
    from include.surveillance.polygon.client import Polygon
    from include.surveillance.polygon.pace import Pace
    from include.surveillance.polygon.rate_limit import RateLimit

    connection, settings = _get(POLYGON), Settings.from_env()
    minute, second = settings.polygon_calls_per_minute, settings.polygon_calls_per_second
    counted_in = _get(RATE_LIMIT).get_uri() if minute or (second and exists(RATE_LIMIT)) else None
    # What nobody waits for leaves most of the calls to the live polls.
    own = max(1, second // 10) if patience_seconds >= PATIENT_SECONDS else second
    key = connection.password or ""
    shared = RateLimit(counted_in, second, key, window_seconds=1) if counted_in and second else None
    return Polygon(
        key,
        connection.host or "",
        rate_limit=RateLimit(counted_in, minute, key) if counted_in and minute else None,
        pace=Pace(own, shared) if second else None,
        patience_seconds=patience_seconds,
        package=cast("Package", settings.polygon_client),
    )


def kept_open() -> tuple[Polygon, Publisher]:
    """The vendor's client and a publisher, which the next task of this process takes over.

    The fast lane polls hundreds of times a minute. A connection that has changed is opened anew.
    """
    return _open(json.dumps([_get(POLYGON).get_uri(), kafka()], sort_keys=True))


@once_per_process
def _open(_connections: str) -> tuple[Polygon, Publisher]:
    from include.surveillance.broker import Publisher

    return polygon(), Publisher(kafka(), permit=check_wanted)


def flat_files(address: str) -> FlatFiles:
    """Files of bars, one a day: of a folder below FLAT_FILES_FOLDER, or of S3 by the connection ``flat_files``.

    Host is the endpoint, the vendor's when empty; login and password are S3's access key and secret.
    """
    from include.surveillance.files.flat_files import SCHEME, open_flat_files

    of_s3 = _get(FLAT_FILES) if address.startswith(SCHEME) else None
    keys = (of_s3.host, of_s3.login, of_s3.password) if of_s3 else ("", "", "")
    return open_flat_files(address, Settings.from_env().flat_files_folder, *(part or "" for part in keys))


def kafka() -> dict[str, Any]:
    """The librdkafka client configuration in the connection's extra.

    Raises:
        ConfigurationError: no ``bootstrap.servers``.
    """
    client: dict[str, Any] = _get(KAFKA).extra_dejson
    if not client.get("bootstrap.servers"):
        raise ConfigurationError(f"{_place(KAFKA)} has no bootstrap.servers in its extra; add host:port")
    return client


def slack_actions() -> tuple[str, dict[str, str]]:
    """The secret with which Slack signs what people press, and by Slack's ids of people their names in Airflow.

    Raises:
        ConfigurationError: the connection is not defined, has no password, or its ``users`` are no such mapping.
    """
    given = _get(SLACK_ACTIONS)
    people = given.extra_dejson.get("users", {})
    if not given.password or not isinstance(people, dict) or not all(isinstance(it, str) for it in people.values()):
        raise ConfigurationError(
            f"{_place(SLACK_ACTIONS)} needs the signing secret as password, and who is who in its extra: "
            '{"users": {"U0123": "nina"}}'
        )
    return given.password, people


@contextmanager
def warehouse() -> Iterator[Any]:
    """An open connection to the warehouse, closed on leaving."""
    from airflow.providers.snowflake.hooks.snowflake import SnowflakeHook

    with closing(SnowflakeHook(snowflake_conn_id=WAREHOUSE).get_conn()) as connection:
        yield connection


def warehouse_variables() -> dict[str, str]:
    """The login to the warehouse in the variables of a shell, for a process that has no Airflow."""
    given = _get(WAREHOUSE)
    extra = given.extra_dejson
    known = {name: extra.get(name) for name in ("account", "host", "port", "warehouse", "role", "database")}
    known |= {"user": given.login, "password": given.password, "private_key_path": extra.get("private_key_file")}
    return {f"SNOWFLAKE_{name.upper()}": str(value or "") for name, value in known.items()}


def feature_store() -> str:
    """The address of the Redis of which features are served, its password in it."""
    address: str = _get(FEATURE_STORE).get_uri()
    return address


@contextmanager
def application_database(statement_seconds: float | None = None) -> Iterator[Any]:
    """An open connection to the application's database: one transaction, committed on leaving without an error.

    A server that does not answer, a statement that takes longer than ``statement_seconds`` (STATEMENT_SECONDS when
    None), the wait for a lock among it, and a task that was cancelled end it without.
    """
    with _open_postgres(APPLICATION, statement_seconds or STATEMENT_SECONDS) as connection:
        yield connection
        check_wanted()


@contextmanager
def application_reader() -> Iterator[Any]:
    """An open connection to the application's database by a role that reads only and not for long: for the page."""
    with _open_postgres(APPLICATION_READER, READER_SECONDS) as connection:
        yield connection


@contextmanager
def desk_database() -> Iterator[Any]:
    """An open connection to the application's database by the desk's role: one transaction, for people who wait."""
    with _open_postgres(DESK, READER_SECONDS) as connection:
        yield connection


@contextmanager
def open_database(conn_id: str) -> Iterator[Any]:
    """An open connection to the database of a connection, for one look at it."""
    with _open_postgres(conn_id, STATEMENT_SECONDS) as connection:
        yield connection


def libpq_variables(conn_id: str) -> dict[str, str]:
    """Return the environment variables by which PostgreSQL's own programs reach the database of a connection."""
    given = _get(conn_id)
    extra = {name: str(given.extra_dejson.get(name) or "") for name in ("sslmode", "sslrootcert", "sslcert", "sslkey")}
    named = {"host": given.host, "port": given.port, "user": given.login, "password": given.password}
    named |= {"database": given.schema, **extra}
    return {f"PG{name.upper()}": str(value) for name, value in named.items() if value}


@contextmanager
def _open_postgres(conn_id: str, statement_seconds: float) -> Iterator[Any]:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    given = _get(conn_id)
    limits = {"connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": SILENT_SECONDS * 1_000}
    given.extra = json.dumps({**limits, **given.extra_dejson})
    hook = PostgresHook(connection=given, options=f"-c statement_timeout={round(statement_seconds * 1_000)}")
    with closing(hook.get_conn()) as connection, connection:
        yield connection


@contextmanager
def metadata_database() -> Iterator[Any]:
    """An open connection to Airflow's metadata database: one transaction.

    Raises:
        ConfigurationError: the connection is not defined.
    """
    with _open_postgres(METADATA, LONG_STATEMENT_SECONDS) as connection:
        yield connection


def exists(conn_id: str) -> bool:
    """Whether the connection is defined."""
    try:
        Connection.get(conn_id)
    except AirflowNotFoundException:
        return False
    return True


def _place(conn_id: str) -> str:
    """Name what holds a connection: the environment wins over what Airflow's UI shows."""
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    wins = f" of environment variable {variable}, which wins over Airflow's UI," if variable in os.environ else ""
    return f"connection {conn_id}{wins}"


def _get(conn_id: str) -> Any:
    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException as error:
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        raise ConfigurationError(f"connection {conn_id} is not defined; set {variable} or add it in Airflow") from error
