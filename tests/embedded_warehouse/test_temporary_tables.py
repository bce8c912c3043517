"""Temporary tables and views are private to their session, whatever their name."""

import pytest
from snowflake.connector.errors import ProgrammingError


@pytest.fixture
def schema(session, run) -> str:
    return run(session, "select current_schema()")[0][0]


def test_a_qualified_temporary_table_can_be_made_filled_and_joined(session, run, schema):
    run(session, f"create temporary table {schema}.incoming (id int, px float)")
    run(session, f"insert into {schema}.incoming values (1, 1.5)")
    run(session, "create table known (id int)")
    run(session, "insert into known values (1)")
    joined = f"select incoming.px from {schema}.incoming join known on known.id = incoming.id"
    assert run(session, joined) == [(1.5,)]
    run(session, f"create or replace temporary table {schema}.incoming as select 2 as id")
    assert run(session, "select id from incoming") == [(2,)]


def test_no_other_session_sees_it(session, connect, run):
    other = connect()
    run(session, "create temporary table mine (id int)")
    with pytest.raises(ProgrammingError):
        run(other, "select * from mine")
    run(other, "create temporary table mine (name varchar)")
    run(other, "insert into mine values ('theirs')")
    assert run(session, "select * from mine") == []


def test_it_ends_with_its_session(connect, run):
    first, second = connect(), connect()
    run(first, "create temporary table short_lived (id int)")
    first.close()
    tables = "select count(*) from information_schema.tables where table_schema = current_schema()"
    assert run(second, tables) == [(0,)]


def test_a_temporary_view_can_be_queried_and_dropped(session, run, schema):
    run(session, f"create temporary view {schema}.two as select 2 as n")
    assert run(session, f"select n from {schema}.two") == [(2,)]
    run(session, f"drop view {schema}.two")
    with pytest.raises(ProgrammingError):
        run(session, f"select n from {schema}.two")


def test_a_common_table_expression_hides_it(session, run):
    run(session, "create temporary table rows_in (id int)")
    assert run(session, "with rows_in as (select 5 as id) select id from rows_in") == [(5,)]


def test_dropping_it_leaves_nothing(session, run):
    run(session, "create temporary table gone (id int)")
    run(session, "drop table gone")
    with pytest.raises(ProgrammingError):
        run(session, "select * from gone")


@pytest.mark.embedded
def test_a_permanent_table_of_the_same_name_is_refused(session, run):
    run(session, "create temporary table twice (id int)")
    with pytest.raises(ProgrammingError, match="beside a temporary one"):
        run(session, "create table twice (id int)")
