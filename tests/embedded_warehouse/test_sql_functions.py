"""Functions that fakesnow changes without a word."""

import pytest
from snowflake.connector.errors import ProgrammingError


@pytest.mark.parametrize("sql", ["try_to_timestamp('no time')", "try_cast('no time' as timestamp_ntz)"])
def test_an_unreadable_time_is_null_when_tried(session, run, sql):
    assert run(session, f"select {sql}") == [(None,)]


def test_an_outer_flatten_keeps_rows_without_elements(session, run):
    rows = run(
        session,
        "select t.id, f.value::varchar from (select column1 as id, parse_json(column2) as items "
        "from values (1, '[\"a\"]'), (2, '[]')) t, lateral flatten(input => t.items, outer => true) f order by t.id",
    )
    assert rows == [(1, "a"), (2, None)]


def test_an_inner_flatten_drops_them(session, run):
    rows = run(
        session,
        "select t.id from (select column1 as id, parse_json(column2) as items "
        "from values (1, '[\"a\"]'), (2, '[]')) t, lateral flatten(input => t.items) f order by t.id",
    )
    assert rows == [(1,)]


@pytest.mark.embedded
def test_a_flatten_option_that_is_missing_is_refused_not_ignored(session, run):
    with pytest.raises(ProgrammingError, match="recursive"):
        run(session, "select value from table(flatten(input => parse_json('[[1]]'), recursive => true))")


def test_the_session_knows_its_context(session, run):
    [row] = run(session, "select current_account(), current_region(), current_session()")
    assert all(isinstance(value, str) for value in row)
    run(session, "select current_warehouse(), last_query_id()")
