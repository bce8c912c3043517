"""What a client meets when it executes: several columns at once, and errors that come at once."""

from __future__ import annotations

import pytest
from snowflake.connector.errors import Error, ProgrammingError


def test_several_columns_are_dropped_at_once(session, run):
    run(session, "create table wide (a int, b int, c int)")
    run(session, "alter table wide drop column a, c")
    run(session, "insert into wide values (1)")
    assert run(session, "select * from wide") == [(1,)]


@pytest.mark.parametrize(
    "sql", ["select no_such_function(1)", "selec 1", "select * from nowhere", "select 'x'::int", "call nothing()"]
)
def test_a_bad_statement_is_an_error_at_once(session, run, sql):
    with pytest.raises(ProgrammingError):
        run(session, sql)
    assert run(session, "select 1") == [(1,)]


def test_a_missing_value_is_an_error_with_its_number(session, run):
    run(session, "create table strict (id int not null)")
    with pytest.raises(Error) as raised:
        run(session, "insert into strict values (null)")
    assert raised.value.errno == 100072
