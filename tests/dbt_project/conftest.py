"""A warehouse with a database of its own, dbt pointed at it, and a way to put records into the RAW tables."""

from __future__ import annotations

import atexit
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from dbt.cli.main import dbtRunner, dbtRunnerResult
from snowflake.connector import SnowflakeConnection

from include.surveillance.records import Record
from include.surveillance.warehouse.rows import LANDED
from include.surveillance.warehouse.schema import migrate_raw
from include.surveillance.wire import encode
from tests import account
from tests.embedded_warehouse.launcher import Launcher
from tests.paths import ROOT

PROJECT = ROOT / "dbt_project"
REQUIRED = ("SNOWFLAKE_ACCOUNT", "SNOWFLAKE_USER", "SNOWFLAKE_PASSWORD", "SNOWFLAKE_WAREHOUSE", "SNOWFLAKE_ROLE")


@dataclass
class Market:
    """RAW tables filled by hand, and what dbt made of them."""

    connection: SnowflakeConnection
    offset: int = 0

    def land(
        self,
        records: Sequence[Record],
        landed_at: str,
        published_at: str | None = None,
        *,
        withdrawn: bool = False,
        **headers: str,
    ) -> None:
        """Append records as landing does, offsets in the order given; withdrawn ones have no payload."""
        for record in records:
            self.offset += 1
            self.query(
                f"insert into raw.{LANDED[type(record)]} "
                "(event_id, payload, headers, kafka_topic, kafka_partition, kafka_offset, kafka_timestamp, landed_at) "
                "select %s, parse_json(%s), parse_json(%s), 'topic', 0, %s, %s::timestamp_ntz, %s::timestamp_ntz",
                record.event_id,
                None if withdrawn else encode(record).decode(),
                json.dumps(headers) if headers else None,
                self.offset,
                published_at or landed_at,
                landed_at,
            )

    def query(self, statement: str, *parameters: Any) -> list[tuple]:
        return self.connection.cursor().execute(statement, parameters or None).fetchall()

    def records(self, statement: str) -> list[dict[str, Any]]:
        cursor = self.connection.cursor(snowflake.connector.DictCursor)
        return [{name.lower(): value for name, value in row.items()} for row in cursor.execute(statement).fetchall()]


@pytest.fixture(scope="module")
def profile() -> Iterator[pytest.MonkeyPatch]:
    """What the profile requires, good enough for commands that never connect."""
    with pytest.MonkeyPatch.context() as patch:
        for name in REQUIRED:
            patch.setenv(name, "any")
        yield patch


@pytest.fixture(scope="module")
def dbt(profile, tmp_path_factory) -> Callable[..., dbtRunnerResult]:
    """Run one dbt command on the project, in this process, its output in a temporary folder."""
    scratch = tmp_path_factory.mktemp("dbt")
    places = ["--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", scratch / "target"]
    # A log of everything that dbt does, which nobody reads here, is a tenth of what it costs.
    places += ["--log-path", scratch / "logs", "--quiet", "--log-level-file", "none"]

    def run(*command: str) -> dbtRunnerResult:
        return dbtRunner().invoke([*command, *map(str, places)])

    return run


@pytest.fixture(scope="module")
def market(profile, tmp_path_factory) -> Iterator[Market]:
    """Empty RAW tables in a database that only these tests use; dbt's profile points at it."""
    database = f"DBT_{os.getpid()}"
    folder = tmp_path_factory.mktemp("warehouse")
    opened = own_account(profile, database) if account.is_given() else own_warehouse(profile, database, folder)
    with opened as connection:
        migrate_raw(connection)
        yield Market(connection)


@contextmanager
def own_account(profile: pytest.MonkeyPatch, database: str) -> Iterator[SnowflakeConnection]:
    for name, value in {**account.read_environment(), "SNOWFLAKE_DATABASE": database}.items():
        profile.setenv(name, value)
    with account.own_database(database) as connection:
        yield connection


@contextmanager
def own_warehouse(profile: pytest.MonkeyPatch, database: str, folder: Path) -> Iterator[SnowflakeConnection]:
    launcher = Launcher(folder).start()
    profile.setenv("SNOWFLAKE_HOST", "127.0.0.1")
    profile.setenv("SNOWFLAKE_PORT", str(launcher.port))
    profile.setenv("SNOWFLAKE_DATABASE", database)
    profile.setenv("REQUESTS_CA_BUNDLE", str(launcher.bundle))
    try:
        with launcher.connect(database=database) as connection:
            yield connection
    finally:
        launcher.stop()
        # dbt leaves connections open; the connector closes them when Python exits, when neither the warehouse nor
        # dbt's log is there any more. Registered after theirs, so that it comes before them.
        atexit.register(setattr, logging, "raiseExceptions", False)
