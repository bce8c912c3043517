"""Sessions: a password, and nothing left behind by a client that went away."""

from __future__ import annotations

import logging

import certifi
import pytest
import snowflake.connector.errors as snowflake_errors
from snowflake.connector.errors import ProgrammingError

from tests.embedded_warehouse.launcher import Launcher

COUNT = "select count(*) from ledger"


@pytest.fixture
def _ledger(session, run):
    run(session, "create table ledger (id int, qty int)")


@pytest.mark.embedded
@pytest.mark.usefixtures("_ledger")
def test_a_client_that_went_away_gives_up_its_transaction(session, connect, run):
    """The launcher of these tests waits two idle seconds; the other session waits for the table meanwhile."""
    other = connect()
    run(session, "insert into ledger values (1, 0)")
    run(session, "begin")
    run(session, "update ledger set qty = 99")
    run(other, "update ledger set qty = qty + 1")
    assert run(other, "select qty from ledger") == [(1,)]
    with pytest.raises(ProgrammingError, match="rolled back after an earlier error or timeout"):
        run(session, "commit")


@pytest.mark.embedded
@pytest.mark.usefixtures("_ledger")
def test_who_waits_for_the_lock_of_a_client_that_went_away_waits_no_longer_than_he_wants(session, connect, run):
    other = connect()
    run(session, "insert into ledger values (1, 0)")
    run(other, "alter session set lock_timeout = 0")
    run(session, "begin")
    run(session, "update ledger set qty = 99")
    with pytest.raises(ProgrammingError, match="LEDGER is locked by another transaction") as raised:
        run(other, "update ledger set qty = qty + 1")
    assert raised.value.errno == 625
    run(other, "insert into ledger values (2, 0)")
    run(session, "rollback")
    run(other, "update ledger set qty = qty + 1")


@pytest.mark.usefixtures("_ledger")
def test_who_waits_for_a_lock_sees_whose_it_is_and_may_abort_it(session, connect, run):
    other = connect()
    run(session, "insert into ledger values (1, 0)")
    assert run(other, "show locks") == []
    run(session, "begin")
    run(session, "update ledger set qty = 99")
    ((resource, _, number, _, status, *_),) = run(other, "-- whose is it?\nshow locks")
    assert resource.replace('"', "").endswith(".LEDGER")
    assert status == "HOLDING"
    ((said,),) = run(other, f"select system$abort_transaction({number})")
    assert "abort" in said.lower()
    assert run(other, "show locks") == []
    assert run(other, "select qty from ledger") == [(0,)]
    run(other, "update ledger set qty = qty + 1")
    run(session, "rollback")
    assert run(session, "select qty from ledger") == [(1,)]


@pytest.mark.embedded
def test_there_is_nothing_to_abort_where_a_transaction_has_ended(session, run):
    assert run(session, "select system$abort_transaction(7)") == [("Transaction is not running.",)]


@pytest.mark.embedded
def test_the_locks_of_a_client_that_went_away_are_kept_as_long_as_is_asked(tmp_path, monkeypatch, run):
    """As Snowflake keeps them for 300 idle seconds: here until the server is stopped."""
    monkeypatch.setenv("WAREHOUSE_IDLE_TRANSACTION", "3600")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "tls" / "ca-bundle.pem"))
    server = Launcher(tmp_path).start()
    dead, other = server.connect(), server.connect()
    run(dead, "create schema if not exists raw")
    run(dead, "create table raw.ledger (id int, qty int)")
    run(dead, "insert into raw.ledger values (1, 0)")
    run(dead, "begin")
    run(dead, "update raw.ledger set qty = 99")
    run(other, "alter session set lock_timeout = 3")
    with pytest.raises(ProgrammingError, match="LEDGER is locked by another transaction"):
        run(other, "update raw.ledger set qty = qty + 1")
    server.close_sessions()
    server.stop()


@pytest.mark.usefixtures("_ledger")
def test_closing_a_session_rolls_back(connect, run):
    first, second = connect(), connect()
    run(first, "begin")
    run(first, "insert into ledger values (1, 1)")
    first.close()
    assert run(second, COUNT) == [(0,)]


@pytest.mark.embedded
def test_another_password_is_refused_and_none_is_written_down(own, run, caplog, monkeypatch):
    # dbt, when it has run in this process, keeps the connector's log to itself.
    monkeypatch.setattr(logging.getLogger("snowflake.connector"), "propagate", True)
    caplog.set_level("DEBUG", "snowflake.connector")
    with pytest.raises(snowflake_errors.DatabaseError, match="Incorrect username or password"):
        own.connect(password="mistaken-word")
    run(own.connect(), "select 1")
    assert "snowflake.connector" in caplog.text
    for text in (caplog.text, (own.folder / "log").read_text()):
        assert "mistaken-word" not in text
        assert own.password not in text


@pytest.mark.embedded
def test_a_client_that_does_not_know_the_authority_is_refused_by_itself(own, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with pytest.raises(snowflake_errors.Error, match=r"(?i)certificate|ssl"):
        own.connect(login_timeout=3)
