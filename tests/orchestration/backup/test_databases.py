"""Databases through PostgreSQL's own programs, on a real server: all of it or nothing, and only into an empty one."""

from __future__ import annotations

import os
import uuid

import psycopg
import pytest

from include.local_stack.ports import HOST
from tests.airflow_home import HOME as _HOME  # noqa: F401 - before Airflow reads its settings

# isort: split
from include.orchestration import connections
from include.orchestration.application.audit import verify_audit
from include.orchestration.application.database import migrate_database
from include.orchestration.backup import databases
from include.surveillance.errors import ConfigurationError


@pytest.fixture
def new_database(postgres_server, monkeypatch):
    """Make empty databases of the application's role, and put its connection on the newest."""
    port, credentials = postgres_server
    made = []
    admin = {"host": HOST, "port": port, "user": "postgres", "password": credentials["POSTGRES_PASSWORD"]}

    def make() -> str:
        name = f"copy_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(dbname="postgres", autocommit=True, **admin) as connection:
            connection.execute(f"create database {name} owner surveillance")
        login = f"surveillance:{credentials['SURVEILLANCE_DB_PASSWORD']}@{HOST}:{port}"
        monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", f"postgresql://{login}/{name}")
        made.append(name)
        return name

    yield make
    with psycopg.connect(dbname="postgres", autocommit=True, **admin) as connection:
        for name in made:
            connection.execute(f"drop database {name} with (force)")


def execute(sql: str) -> list[tuple]:
    with connections.application_database() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def test_a_restored_database_is_the_same_and_still_guards_itself(new_database, tmp_path):
    new_database()
    migrate_database()
    execute("insert into outbox (channel, kind, subject, version, severity, known_at, message) values "
            "('slack', 'alert', 'a''b', '1', 'high', now(), '{}')")  # fmt: skip
    execute("insert into audit_log (log_id, occurred_at, event) values (1, now(), 'pause'), (2, now(), 'clear')")
    before = {table: execute(f"select * from {table} order by 1") for table in ("outbox", "audit_log")}
    databases.dump(connections.APPLICATION, tmp_path)

    new_database()
    databases.check_empty(connections.APPLICATION)
    databases.restore(connections.APPLICATION, tmp_path)
    assert {table: execute(f"select * from {table} order by 1") for table in before} == before
    assert migrate_database() == []
    verify_audit()
    with pytest.raises(psycopg.Error, match="audit_log only grows"):
        execute("update audit_log set event = 'nothing'")
    ((number,),) = execute(
        "insert into outbox (channel, kind, subject, version, severity, known_at, message) values "
        "('slack', 'alert', 'b', '1', 'high', now(), '{}') returning outbox_id"
    )
    assert number > before["outbox"][-1][0]


def test_a_database_with_tables_is_not_restored_into(new_database):
    new_database()
    migrate_database()
    with pytest.raises(ConfigurationError, match=r"surveillance_db has \d+ tables already; restore into an empty one"):
        databases.check_empty(connections.APPLICATION)


def test_a_damaged_file_leaves_nothing_behind(new_database, tmp_path):
    new_database()
    migrate_database()
    databases.dump(connections.APPLICATION, tmp_path)
    file = tmp_path / databases.FILES[connections.APPLICATION]
    file.write_bytes(file.read_bytes()[:-2_000])
    new_database()
    with pytest.raises(ConfigurationError, match="pg_restore of connection surveillance_db ended with"):
        databases.restore(connections.APPLICATION, tmp_path)
    databases.check_empty(connections.APPLICATION)


def test_a_refused_login_is_told_without_the_password(new_database, tmp_path, monkeypatch):
    new_database()
    wrong = os.environ["AIRFLOW_CONN_SURVEILLANCE_DB"].replace("surveillance:", "surveillance:not-the-", 1)
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", wrong)
    with pytest.raises(
        ConfigurationError, match=r"(?s)pg_dump of connection surveillance_db ended.*authentication"
    ) as it:
        databases.dump(connections.APPLICATION, tmp_path)
    assert "not-the-" not in str(it.value)


def test_a_missing_program_is_told(new_database, tmp_path, monkeypatch):
    new_database()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="pg_dump is missing; install PostgreSQL's client"):
        databases.dump(connections.APPLICATION, tmp_path)
