"""Two databases, two owners, passwords checked, nobody in the other's database."""

from __future__ import annotations

import os
import stat
from types import SimpleNamespace

import psycopg2
import pytest

from include.local_stack import postgres as server
from include.local_stack.errors import StackError
from include.local_stack.ports import HOST

READER, DESK = "surveillance_reader", "surveillance_desk"


@pytest.fixture
def connect(postgres_server):
    port, credentials = postgres_server

    def connect(role: str, database: str, password: str | None = None):
        password = password or credentials[server.ROLES[role]]
        return psycopg2.connect(host=HOST, port=port, user=role, password=password, dbname=database)

    return connect


@pytest.mark.parametrize("role", list(server.DATABASES))
def test_each_role_owns_its_database(connect, role):
    with connect(role, role) as connection, connection.cursor() as cursor:
        cursor.execute("create table made_by_owner (id int)")
        cursor.execute("drop table made_by_owner")


@pytest.mark.parametrize(
    ("role", "other"),
    [("airflow", "surveillance"), ("surveillance", "airflow"), (READER, "airflow"), (DESK, "airflow")],
)
def test_no_role_enters_the_others_database(connect, role, other):
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        connect(role, other)


def test_the_reader_sees_every_table_and_changes_none(connect):
    with connect("surveillance", "surveillance") as connection, connection.cursor() as cursor:
        cursor.execute("create table made_later (id int); insert into made_later values (7)")
    try:
        with connect(READER, "surveillance") as connection, connection.cursor() as cursor:
            cursor.execute("select id from made_later")
            assert cursor.fetchall() == [(7,)]
        for change in ("insert into made_later values (8)", "delete from made_later", "create table mine (id int)"):
            # Also with the setting taken away that makes its transactions read only.
            for given in ("", "set transaction read write;"):
                with connect(READER, "surveillance") as connection, connection.cursor() as cursor:
                    refused = (psycopg2.errors.ReadOnlySqlTransaction, psycopg2.errors.InsufficientPrivilege)
                    with pytest.raises(refused):
                        cursor.execute(given + change)
    finally:
        with connect("surveillance", "surveillance") as connection, connection.cursor() as cursor:
            cursor.execute("drop table made_later")


def test_passwords_are_checked(connect):
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect("airflow", "airflow", "wrong")


def test_creating_again_changes_nothing(postgres_server, connect):
    server.create_databases(*postgres_server)
    connect("airflow", "airflow").close()


def test_no_server_is_told_from_a_server(postgres_server):
    port, credentials = postgres_server
    assert server.answers(port, credentials["POSTGRES_PASSWORD"])
    assert not server.answers(1, credentials["POSTGRES_PASSWORD"])
    assert not server.answers(port, "wrong")


def test_who_starts_on_data_with_another_password_is_told_at_once(postgres_server):
    port, credentials = postgres_server
    assert server.accepts(port, credentials["POSTGRES_PASSWORD"])
    assert not server.accepts(1, credentials["POSTGRES_PASSWORD"])
    with pytest.raises(StackError, match=r"another password than secrets\.env: .*; `make clean` removes it"):
        server.accepts(port, "wrong")


def test_data_lies_outside_a_folder_that_the_server_cannot_enter(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "server_user", lambda: "postgres")
    monkeypatch.setattr(server, "_can_enter", lambda folder: False)
    assert server.data_folder(tmp_path) == server.outside_folder(tmp_path) / "postgres"
    assert server.outside_folder(tmp_path) != server.outside_folder(tmp_path / "other")


def test_a_cluster_that_the_server_can_no_longer_enter_moves_with_its_data(tmp_path, monkeypatch):
    state, outside = tmp_path / "state", tmp_path / "outside"
    (state / "postgres" / "base").mkdir(parents=True)
    (state / "postgres" / "PG_VERSION").write_text("17")
    monkeypatch.setattr(server, "server_user", lambda: "postgres")
    monkeypatch.setattr(server, "_can_enter", lambda folder: False)
    monkeypatch.setattr(server, "outside_folder", lambda state: outside)
    monkeypatch.setattr(server.shutil, "chown", lambda *_: None)
    before = os.umask(0o077)  # the command line's
    try:
        server.move_data(state)
    finally:
        os.umask(before)
    assert stat.S_IMODE(outside.stat().st_mode) == 0o711, "the server's user must enter"
    assert (outside / "postgres" / "PG_VERSION").read_text() == "17"
    assert (outside / "postgres" / "base").is_dir()
    assert not (state / "postgres").exists()
    server.move_data(state)
    assert (outside / "postgres" / "PG_VERSION").exists()


def test_a_cluster_of_ones_own_leaves_the_state_folder_closed_to_others(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setattr(server, "server_user", lambda: None)
    monkeypatch.setattr(server.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
    server.create_cluster(server.data_folder(tmp_path), "word")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
