"""The reader of SQL files."""

import pytest

from include.surveillance.statements import read_statement


def test_identifiers_are_filled_in_and_bound_values_are_left_alone(tmp_path):
    (tmp_path / "select.sql").write_text("select * from {table} where id = %(id)s\n")
    assert read_statement(tmp_path, "select", table="bars") == "select * from bars where id = %(id)s\n"
    assert read_statement(tmp_path, "select", table="news") == "select * from news where id = %(id)s\n"
    assert "{table}" in read_statement(tmp_path, "select")


def test_an_identifier_that_is_not_given_is_an_error(tmp_path):
    (tmp_path / "select.sql").write_text("select {column} from {table}")
    with pytest.raises(KeyError, match="column"):
        read_statement(tmp_path, "select", table="bars")
