"""Migrations are files with numbers; what a database lacks is applied in their order, and a newer one is refused."""

import pytest

from include.surveillance.errors import ConfigurationError
from include.surveillance.migrations import Migration, describe_missing, read_migrations, select_missing
from tests.paths import ROOT

STEPS = [Migration(1, "first schema", ""), Migration(2, "outbox", ""), Migration(5, "more", "")]


def test_files_are_read_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "0010_later.sql").write_text("select 2")
    (tmp_path / "0002_new_column.sql").write_text("select 1")
    assert read_migrations(tmp_path) == (Migration(2, "new column", "select 1"), Migration(10, "later", "select 2"))


@pytest.mark.parametrize("name", ["2_short.sql", "0002-dash.sql", "0002_Upper.sql", "what.sql"])
def test_a_file_of_another_name_is_refused(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(ConfigurationError, match=r"NNNN_what\.sql"):
        read_migrations(tmp_path)


def test_two_files_of_one_number_are_refused(tmp_path):
    (tmp_path / "0002_a.sql").write_text("")
    (tmp_path / "0002_b.sql").write_text("")
    with pytest.raises(ConfigurationError, match="0002, a and b"):
        read_migrations(tmp_path)


@pytest.mark.parametrize(("applied", "missing"), [(set(), [1, 2, 5]), ({1}, [2, 5]), ({1, 5}, [2]), ({1, 2, 5}, [])])
def test_what_was_not_applied_is_missing(applied, missing):
    assert [step.version for step in select_missing(STEPS, applied, "a database")] == missing


def test_a_database_of_a_newer_version_is_refused():
    with pytest.raises(ConfigurationError, match="a database has schema version 0006, this code knows 0005"):
        select_missing(STEPS, {1, 6}, "a database")


def test_a_message_names_number_and_words():
    assert describe_missing(STEPS[:2]) == "0001 (first schema), 0002 (outbox)"


@pytest.mark.parametrize("folder", ["include/orchestration/application/sql", "include/surveillance/warehouse/sql"])
def test_our_own_begin_at_one(folder):
    assert read_migrations(ROOT / folder / "migrations")[0].version == 1
