"""Migrations of the application's database, in a real PostgreSQL: once each, one after the other, all or nothing."""

import os
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from include.orchestration import connections
from include.orchestration.application import database
from include.surveillance.errors import ConfigurationError
from include.surveillance.migrations import Migration

STEPS = (
    Migration(1, "first", "create table kept (n integer); insert into kept values (1)"),
    Migration(2, "second", "alter table kept add column m integer; update kept set m = n + 1"),
)


def select(sql):
    with connections.application_database() as connection, connection.cursor() as cursor:
        return cursor.execute(sql).fetchall()


def steps(monkeypatch, *migrations):
    monkeypatch.setattr(database, "MIGRATIONS", migrations)


def test_each_is_applied_once_and_recorded(empty_database, monkeypatch):
    steps(monkeypatch, STEPS[0])
    assert database.migrate_database() == ["0001 (first)"]
    steps(monkeypatch, *STEPS)
    assert database.migrate_database() == ["0002 (second)"]
    assert database.migrate_database() == []
    assert select("select n, m from kept") == [(1, 2)]
    assert select("select version, name, applied_at <= now() from schema_migrations order by version") == [
        (1, "first", True), (2, "second", True)
    ]  # fmt: skip


def test_one_that_fails_leaves_nothing_and_those_before_it_stand(empty_database, monkeypatch):
    steps(monkeypatch, STEPS[0], Migration(2, "broken", "insert into kept values (2); select 1 / 0"))
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.migrate_database()
    assert select("select n from kept") == [(1,)]
    assert select("select version from schema_migrations") == [(1,)]


def test_of_many_at_once_one_applies_each(empty_database, monkeypatch):
    steps(monkeypatch, *STEPS)
    with ThreadPoolExecutor(8) as pool:
        done = [name for applied in pool.map(lambda _: database.migrate_database(), range(8)) for name in applied]
    assert sorted(done) == ["0001 (first)", "0002 (second)"]
    assert select("select n, m from kept") == [(1, 2)]


def test_a_newer_version_is_refused_but_does_not_disturb_who_runs(empty_database, monkeypatch):
    steps(monkeypatch, *STEPS)
    database.migrate_database()
    steps(monkeypatch, STEPS[0])
    with pytest.raises(ConfigurationError, match="database has schema version 0002, this code knows 0001"):
        database.migrate_database()
    database.await_migrations()


def test_our_own_are_applied_to_an_empty_database(empty_database):
    assert len(database.migrate_database()) == len(database.MIGRATIONS)
    assert database.list_missing_migrations() == []


def test_a_worker_waits_for_the_version_that_it_needs_and_says_why(empty_database, monkeypatch, caplog):
    steps(monkeypatch, STEPS[0])
    database.migrate_database()
    steps(monkeypatch, *STEPS)
    waits = iter([lambda: None, database.migrate_database])
    monkeypatch.setattr(database.time, "sleep", lambda _: next(waits)())
    database.await_migrations()
    assert len(caplog.messages) == 2
    for message in caplog.messages:
        assert "this worker waits: the application's database lacks 0002 (second)" in message
        assert "include.orchestration.migrate" in message


def test_a_worker_waits_for_a_database_that_is_away(empty_database, monkeypatch, caplog):
    steps(monkeypatch)
    here = os.environ["AIRFLOW_CONN_SURVEILLANCE_DB"]
    monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", "postgresql://nobody@127.0.0.1:1/nowhere")
    monkeypatch.setattr(database.time, "sleep", lambda _: monkeypatch.setenv("AIRFLOW_CONN_SURVEILLANCE_DB", here))
    database.await_migrations()
    assert ["does not say its schema version" in message for message in caplog.messages] == [True]


def test_a_connection_that_only_tasks_know_is_not_waited_for(monkeypatch, caplog):
    monkeypatch.delenv("AIRFLOW_CONN_SURVEILLANCE_DB", raising=False)
    database.await_migrations()
    assert "schema not checked" in caplog.text
