"""The columns that landing writes and those of the tables. With a warehouse: tests/integration/test_land.py."""

import re

import pytest

from include.surveillance import broker
from include.surveillance.errors import WarehouseError
from include.surveillance.warehouse.schema import COLUMNS, MIGRATIONS, check_tables


class DescribedTables:
    """A cursor that knows the columns of every table, the migrations, and nothing else."""

    def __init__(self, **changes: dict[str, tuple[str, str] | None]):
        self.tables = {
            table: {name: (kind, "Y") for name, kind in columns.items()} | changes.get(table, {})
            for table, columns in COLUMNS.items()
        }

    def execute(self, statement: str) -> None:
        (self.described,) = re.findall(r"raw\.(\w+)", statement)

    def fetchall(self) -> list[tuple]:
        if self.described == "schema_migrations":
            return [(migration.version,) for migration in MIGRATIONS]
        columns = {name: column for name, column in self.tables[self.described].items() if column}
        return [(name, kind, "COLUMN", nullable, None) for name, (kind, nullable) in columns.items()]


def test_tables_as_landing_writes_them_pass():
    check_tables(
        DescribedTables(RAW_BARS={"NOTE": ("VARCHAR(10)", "Y"), "EVENT_ID": ("VARCHAR(99)", "N")}), broker.BARS
    )


@pytest.mark.parametrize(
    ("column", "present", "message"),
    [
        ("PAYLOAD", None, "PAYLOAD VARIANT is missing"),
        ("PAYLOAD", ("VARCHAR(9)", "Y"), "alter table raw.RAW_BARS rename column PAYLOAD to PAYLOAD_OLD"),
        ("NOTE", ("VARCHAR(9)", "N"), "alter table raw.RAW_BARS alter column NOTE drop not null"),
    ],
)
def test_a_difference_is_told_with_what_mends_it(column, present, message):
    with pytest.raises(WarehouseError, match=re.escape(message)) as raised:
        check_tables(DescribedTables(RAW_BARS={column: present}), broker.BARS)
    assert "keeps its records for 35 days" in str(raised.value)


def test_a_topic_is_not_held_up_by_another_ones_table():
    check_tables(DescribedTables(RAW_NEWS={"PAYLOAD": None}), broker.BARS)
