"""The warehouse's SQL files, and how the connector's errors read."""

import pytest
from snowflake.connector.errors import ProgrammingError

from include.surveillance.errors import WarehouseError
from include.surveillance.warehouse.statements import SQL, as_warehouse_error


@pytest.mark.parametrize("file", sorted(SQL.glob("*.sql")), ids=lambda file: file.name)
def test_a_sql_file_holds_one_statement(file):
    code = [line for line in file.read_text().splitlines() if not line.startswith("--")]
    assert any(line.strip() for line in code)
    assert ";" not in "".join(code)  # the connector executes one statement at a time


def test_an_error_of_the_connector_is_one_sentence():
    message = r"land bars: the warehouse answered 2003: .*gone.*; a step is done wholly"
    with pytest.raises(WarehouseError, match=message), as_warehouse_error("land bars"):
        raise ProgrammingError("it is gone", errno=2003)
