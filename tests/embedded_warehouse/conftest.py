"""The contract: what a user of Snowflake expects, asked through the real connector over TLS.

Runs against the embedded warehouse; against a real account when SNOWFLAKE_TEST_* name one (``make snowflake-check``).
Tests marked ``embedded`` are about the server itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from snowflake.connector import SnowflakeConnection

from tests import account
from tests.embedded_warehouse.launcher import Launcher

Connect = Callable[..., SnowflakeConnection]


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """One launcher for all tests; it gives up a transaction that was idle for two seconds."""
    server = Launcher(tmp_path_factory.mktemp("warehouse"), "--idle-transaction", "2").start()
    yield server
    server.stop()


@pytest.fixture
def connect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Open sessions in a schema of the test's own."""
    launcher = None if account.is_given() else request.getfixturevalue("launcher")
    if launcher:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(launcher.bundle))
    schema = f"CONTRACT_{uuid.uuid4().hex[:8].upper()}"
    opened: list[SnowflakeConnection] = []

    def open_session(**settings: object) -> SnowflakeConnection:
        session = (launcher or account).connect(**settings)
        opened.append(session)
        run(session, f"create schema if not exists {schema}")
        run(session, f"use schema {schema}")
        return session

    yield open_session
    for session in opened:
        if not session.is_closed():
            session.close()
    last = open_session()
    run(last, f"drop schema {schema}")
    last.close()


@pytest.fixture
def session(connect: Connect) -> SnowflakeConnection:
    return connect()


def run(session: SnowflakeConnection, sql: str, params: object = None) -> list[tuple]:
    return session.cursor().execute(sql, params).fetchall()


@pytest.fixture(name="run", scope="session")
def run_fixture() -> Callable[..., list[tuple]]:
    """Execute one statement and return its rows."""
    return run


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launcher]:
    """A server of the test's own, with a password."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "tls" / "ca-bundle.pem"))
    server = Launcher(tmp_path, password="the-right-word").start()
    yield server
    if server.process.poll() is None:
        server.close_sessions()
        server.stop()
