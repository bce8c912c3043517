"""Results have Snowflake's types and NULLs."""

import datetime as dt

import pytest


def test_a_null_timestamp_is_null(session, run):
    rows = run(
        session,
        "select column1::timestamp_ntz as t from values ('2026-03-09 13:30:00'), (null) order by t nulls last",
    )
    assert rows == [(dt.datetime(2026, 3, 9, 13, 30),), (None,)]  # noqa: DTZ001 - timestamp_ntz has no zone


def test_only_null_timestamps_are_null(session, run):
    assert run(session, "select null::timestamp_ntz as t") == [(None,)]


@pytest.mark.parametrize(
    ("sql", "value"),
    [("sign(-2.5)", -1), ("7::tinyint", 7), ("7::smallint", 7), ("1.5::real", 1.5), ("1.5::float4", 1.5)],
)
def test_numbers_of_every_size_arrive(session, run, sql, value):
    assert run(session, f"select {sql}") == [(value,)]


def test_a_uuid_is_text(session, run):
    [(text,)] = run(session, "select uuid_string()")
    assert isinstance(text, str)
    assert len(text) == 36


def test_a_table_comment_may_hold_an_apostrophe(session, run):
    run(session, "create table prices (px float) comment = 'the vendor''s prices'")
    comments = run(
        session,
        "select comment from information_schema.tables where table_schema = current_schema() and table_name = 'PRICES'",
    )
    assert comments == [("the vendor's prices",)]
