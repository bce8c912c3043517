"""Statements that dbt, write_pandas and administrators send."""

import pandas as pd
import pytest
from snowflake.connector.pandas_tools import write_pandas


@pytest.mark.parametrize(
    "sql",
    [
        "alter session set timezone = 'UTC'",
        "/* dbt */ alter session set statement_timeout_in_seconds = 600",
        "use secondary roles none",
        "alter table owned set data_retention_time_in_days = 0",
    ],
)
def test_administration_is_accepted(session, run, sql):
    run(session, "create table owned (x int)")
    run(session, sql)


def test_a_query_tag_can_be_set_read_and_unset(session, run):
    def tag() -> str:
        cursor = session.cursor().execute("show parameters like 'query_tag' in session")
        names = [column.name for column in cursor.description]
        return dict(zip(names, cursor.fetchone(), strict=True))["value"]

    run(session, "alter session set query_tag = 'nightly marts'")
    assert tag() == "nightly marts"
    run(session, "alter session unset query_tag")
    assert tag() == ""


@pytest.mark.parametrize(
    "sql",
    [
        "comment on column prices.px is 'what it''s worth'",
        "alter table prices alter column px comment 'what it''s worth'",
        "alter table prices alter PX comment $$what it's worth$$",
    ],
)
def test_a_column_can_be_described(session, run, sql):
    run(session, "create table prices (px float, qty float)")
    run(session, sql)
    comments = run(
        session,
        "select column_name, comment from information_schema.columns "
        "where table_schema = current_schema() and table_name = 'PRICES' order by 1",
    )
    assert comments == [("PX", "what it's worth"), ("QTY", None)]


def test_write_pandas_loads_a_frame(session, run):
    run(session, "create table frame (SYMBOL varchar, CLOSE float)")
    frame = pd.DataFrame({"SYMBOL": ["MSFT", "AAPL"], "CLOSE": [1.5, 2.5]})
    ok, _, rows, _ = write_pandas(session, frame, "FRAME")
    assert (ok, rows) == (True, 2)
    assert run(session, "select * from frame order by 1") == [("AAPL", 2.5), ("MSFT", 1.5)]


def test_a_staged_file_is_loaded_once(session, run, tmp_path):
    (tmp_path / "rows.csv").write_text("1,a\n2,b\n")
    run(session, "create table letters (id int, letter varchar)")
    run(session, "create stage inbox")
    run(session, f"put 'file://{tmp_path}/rows.csv' @inbox auto_compress=false")
    for _ in range(2):
        run(session, "copy into letters from @inbox/rows.csv file_format = (type = csv)")
    assert run(session, "select * from letters order by 1") == [(1, "a"), (2, "b")]


def test_one_staged_file_is_removed(session, run, tmp_path):
    run(session, "create stage inbox")
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("1")
        run(session, f"put 'file://{tmp_path}/{name}.csv' @inbox auto_compress=false")
    assert run(session, "remove @inbox/a.csv") == [("inbox/a.csv", "removed")]
    assert [row[0] for row in run(session, "list @inbox")] == ["inbox/b.csv"]
    assert run(session, "remove @inbox/a.csv") == []
