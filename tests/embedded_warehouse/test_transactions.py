"""BEGIN, COMMIT and ROLLBACK: nobody sees half, and a COMMIT that answers has stored."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from snowflake.connector.errors import ProgrammingError

COUNT = "select count(*) from ledger"


@pytest.fixture(autouse=True)
def _ledger(session, run):
    run(session, "create table ledger (id int, qty int)")


def test_rows_are_seen_by_others_only_after_commit(session, connect, run):
    other = connect()
    run(session, "begin")
    run(session, "insert into ledger values (1, 1)")
    run(session, "insert into ledger values (2, 2)")
    assert run(other, COUNT) == [(0,)]
    run(session, "commit")
    assert run(other, COUNT) == [(2,)]


def test_rollback_takes_everything_back(session, run):
    run(session, "begin")
    run(session, "insert into ledger values (1, 1)")
    run(session, "rollback")
    assert run(session, COUNT) == [(0,)]


def test_begin_within_a_transaction_is_ignored(session, run):
    run(session, "begin")
    run(session, "insert into ledger values (1, 1)")
    run(session, "begin")
    run(session, "rollback")
    assert run(session, COUNT) == [(0,)]


def test_commit_and_rollback_without_begin_do_nothing(session, run):
    run(session, "commit")
    run(session, "rollback")
    run(session, "begin")
    run(session, "commit")


def test_a_table_definition_commits_what_came_before(session, run):
    run(session, "begin")
    run(session, "insert into ledger values (1, 1)")
    run(session, "create table other (x int)")
    run(session, "rollback")
    assert run(session, COUNT) == [(1,)]


def test_a_failed_statement_does_not_poison_the_session(session, run):
    run(session, "begin")
    with pytest.raises(ProgrammingError):
        run(session, "insert into ledger select 'x'::int, 1")
    run(session, "rollback")
    run(session, "insert into ledger values (1, 1)")
    assert run(session, COUNT) == [(1,)]


@pytest.mark.embedded
def test_commit_never_claims_rows_that_an_error_has_lost(session, run):
    """Snowflake would store the first row; here it is gone, and COMMIT says so."""
    run(session, "begin")
    run(session, "insert into ledger values (1, 1)")
    with pytest.raises(ProgrammingError):
        run(session, "insert into ledger select 'x'::int, 1")
    with pytest.raises(ProgrammingError, match="rolled back after an earlier error"):
        run(session, "insert into ledger values (2, 2)")
    with pytest.raises(ProgrammingError, match="rolled back after an earlier error"):
        run(session, "commit")
    assert run(session, COUNT) == [(0,)]


@pytest.mark.embedded
def test_commit_is_an_error_when_another_session_replaced_the_table(session, connect, run):
    other = connect()
    run(session, "begin")
    run(session, "insert into ledger values (1, 1)")
    run(other, "create or replace table ledger (id int, qty int)")
    with pytest.raises(ProgrammingError):
        run(session, "commit")
    assert run(session, COUNT) == [(0,)]


def test_a_second_writer_waits_for_the_first(session, connect, run):
    other = connect()
    run(session, "insert into ledger values (1, 0)")
    run(session, "begin")
    run(session, "update ledger set qty = qty + 1")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, other, "update ledger set qty = qty + 10")
        run(session, "commit")
        waiting.result(60)
    assert run(session, "select qty from ledger") == [(11,)]


def test_concurrent_merges_of_a_new_key_make_one_row(connect, run):
    merge = (
        "merge into ledger t using (select 1 as id) s on t.id = s.id "
        "when matched then update set qty = t.qty + 1 when not matched then insert (id, qty) values (s.id, 1)"
    )
    sessions = [connect() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: run(each, merge), sessions))
    assert run(sessions[0], "select * from ledger") == [(1, 4)]


@pytest.mark.embedded
def test_a_transaction_that_read_before_a_change_must_be_repeated(session, connect, run):
    """Snowflake reads what is committed by now; DuckDB's snapshot would overwrite it, so it is refused."""
    other = connect()
    run(session, "insert into ledger values (1, 0)")
    run(session, "begin")
    run(session, COUNT)
    run(other, "update ledger set qty = 5")
    with pytest.raises(ProgrammingError) as raised:
        run(session, "update ledger set qty = qty + 1")
    assert raised.value.errno == 625
    run(session, "rollback")
    run(session, "update ledger set qty = qty + 1")
    assert run(session, "select qty from ledger") == [(6,)]
