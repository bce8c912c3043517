"""ASOF JOIN: the last row of the right that is not later, and none that is."""

import pytest
from snowflake.connector.errors import ProgrammingError

JOIN = "select t.id, q.price from trades t asof join quotes q match_condition (t.moment >= q.moment)"


@pytest.fixture(autouse=True)
def _tables(session, run):
    run(session, "create table trades (id int, symbol varchar, moment timestamp_ntz)")
    run(session, "create table quotes (symbol varchar, moment timestamp_ntz, price float)")
    run(
        session,
        "insert into trades values (1, 'A', '2024-03-08 14:30:00'), (2, 'A', '2024-03-08 14:31:00'), "
        "(3, 'A', '2024-03-08 14:29:00'), (4, 'B', '2024-03-08 14:31:00')",
    )
    run(
        session,
        "insert into quotes values ('A', '2024-03-08 14:30:00', 10), ('A', '2024-03-08 14:30:30', 11), "
        "('A', '2024-03-08 14:31:01', 12), ('C', '2024-03-08 14:30:00', 99)",
    )


@pytest.mark.parametrize("keys", ["using (symbol)", "on t.symbol = q.symbol"])
def test_each_row_gets_the_last_one_that_is_not_later_or_none(session, run, keys):
    rows = run(session, f"{JOIN} {keys} order by t.id")
    assert rows == [(1, 10.0), (2, 11.0), (3, None), (4, None)]


def test_a_later_one_can_be_asked_for_too(session, run):
    rows = run(
        session,
        "select t.id, q.price from trades t asof join quotes q match_condition (t.moment < q.moment) "
        "on t.symbol = q.symbol order by t.id",
    )
    assert rows == [(1, 11.0), (2, 12.0), (3, 10.0), (4, None)]


def test_without_keys_all_rows_are_one_series(session, run):
    assert run(session, f"{JOIN} where t.id = 4") == [(4, 11.0)]


def test_it_may_stand_in_a_common_table_expression_between_quoted_names(session, run):
    rows = run(
        session,
        'with "left__rows" as (select id, symbol as "symbol", moment as "moment" from trades), '
        '"right__rows" as (select symbol as "symbol", moment as "known", price from quotes), '
        '"joined" as (select e.*, v.* from "left__rows" e asof join "right__rows" v '
        'match_condition (e."moment" >= v."known") using ("symbol")) '
        'select id, price from "joined" where "known" >= timestampadd(second, -40, "moment") order by id',
    )
    assert rows == [(1, 10.0), (2, 11.0)]


@pytest.mark.embedded
def test_what_is_not_understood_is_refused(session, run):
    with pytest.raises(ProgrammingError, match="name the columns in ON"):
        run(
            session,
            "select 1 from trades t join trades u on t.id = u.id "
            "asof join quotes q match_condition (t.moment >= q.moment) using (symbol)",
        )
