"""Clients of a running stack, built from its environment: Airflow, Kafka, the warehouse, PostgreSQL, the vendor."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

import psycopg2
import snowflake.connector

from include.local_stack.airflow_api import AirflowApi
from include.local_stack.ports import HOST
from include.local_stack.stack import Stack
from include.surveillance import broker
from include.surveillance.broker import Position
from include.surveillance.detection.parameters.book import ParameterBook
from include.surveillance.polygon.client import Polygon
from include.surveillance.sessions import Sessions
from include.surveillance.settings import Settings
from include.surveillance.warehouse.login import read_login

Row = tuple[Any, ...]


class Clients:
    """What the demo, the harnesses and the summary ask of one stack.

    Attributes:
        kafka: the Kafka client's configuration.
        sessions, book: the market's calendar and the parameters that the stack detects with.
    """

    def __init__(self, stack: Stack):
        self.stack, self.environment = stack, stack.environment
        # The connector looks for the embedded warehouse's own CA in the environment only.
        os.environ["REQUESTS_CA_BUNDLE"] = self.environment["REQUESTS_CA_BUNDLE"]
        settings = Settings.from_env(self.environment)
        self.kafka: dict[str, Any] = json.loads(self.environment["AIRFLOW_CONN_KAFKA_DEFAULT"])["extra"]
        self.sessions = Sessions(settings.market_calendar, settings.market_shift_ms)
        self.book = ParameterBook.load(settings.parameters_file)
        self.polygon = Polygon(self.environment["POLYGON_API_KEY"], self.environment["POLYGON_BASE_URL"])

    @cached_property
    def airflow(self) -> AirflowApi:
        """Airflow's API, signed in at first use: a stack that is still to start has none."""
        # Not by way of PUBLIC_URL, which may lead around a proxy.
        address = f"http://{HOST}:{self.environment['AIRFLOW__API__PORT']}"
        return AirflowApi(address, self.environment["AIRFLOW_ADMIN_USER"], self.environment["AIRFLOW_ADMIN_PASSWORD"])

    @cached_property
    def partitions(self) -> list[int]:
        """The numbers of the partitions of bars, and so of every topic, from Kafka at first use."""
        return broker.partitions_of(self.kafka, broker.BARS)

    def positions(self, topic: str) -> list[Position]:
        """Return every partition of a topic."""
        return [(topic, partition) for partition in self.partitions]

    def warehouse(self, query: str, arguments: Sequence[object] = ()) -> list[Row]:
        """Return the rows of one query, over a connection of its own: the warehouse may have been restarted."""
        login = read_login(self.environment) | {"login_timeout": 10, "network_timeout": 60}
        with closing(snowflake.connector.connect(**login)) as connection, connection.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall()

    def database(self, query: str, arguments: Sequence[object] = (), connection: str = "SURVEILLANCE_DB") -> list[Row]:
        """Return the rows of one query to an Airflow connection's database: the application's, or AIRFLOW_DB."""
        login = database_arguments(self.environment, connection)
        with closing(psycopg2.connect(**login)) as session, session.cursor() as cursor:
            cursor.execute(query, arguments)
            return cursor.fetchall()


def database_arguments(environment: Mapping[str, str], connection: str) -> dict[str, Any]:
    """Return psycopg2's arguments from an Airflow connection to PostgreSQL in the environment."""
    given = json.loads(environment[f"AIRFLOW_CONN_{connection}"])
    names = {"host": "host", "port": "port", "schema": "dbname", "login": "user", "password": "password"}
    return {name: given[key] for key, name in names.items()}
