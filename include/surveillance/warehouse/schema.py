"""The raw tables: creates them, completes them, and compares them with the columns that landing writes."""

from __future__ import annotations

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError

from include.surveillance import broker
from include.surveillance.errors import WarehouseError
from include.surveillance.warehouse.rows import REJECTED_TABLE, TABLES
from include.surveillance.warehouse.statements import as_warehouse_error, statement

OFFSETS_TABLE = "KAFKA_OFFSETS"
RAW_COLUMNS = {
    "EVENT_ID": "VARCHAR",
    "PAYLOAD": "VARIANT",
    "HEADERS": "VARIANT",
    "KAFKA_TOPIC": "VARCHAR",
    "KAFKA_PARTITION": "NUMBER",
    "KAFKA_OFFSET": "NUMBER",
    "KAFKA_TIMESTAMP": "TIMESTAMP_NTZ",
    "LANDED_AT": "TIMESTAMP_NTZ",
}
COLUMNS = {
    OFFSETS_TABLE: {
        "TOPIC": "VARCHAR",
        "PARTITION_ID": "NUMBER",
        "NEXT_OFFSET": "NUMBER",
        "UPDATED_AT": "TIMESTAMP_NTZ",
    },
    **dict.fromkeys(TABLES.values(), RAW_COLUMNS),
}
"""The columns that landing writes: table -> column -> type without its length."""
DOES_NOT_EXIST = 2003


def create_tables(connection: SnowflakeConnection) -> None:
    """Create schema RAW, its tables, their columns and the landing stage where they are missing.

    Raises:
        WarehouseError: the warehouse refused.
    """
    with as_warehouse_error("create the raw tables"), connection.cursor() as cursor:
        cursor.execute(statement("create_raw_schema"))
        cursor.execute(statement("create_landing_stage"))
        for table, columns in COLUMNS.items():
            definition = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            cursor.execute(statement("create_table", table=table, columns=definition))
            for column in columns.keys() - _describe_table(cursor, table).keys():
                cursor.execute(statement("add_column", table=table, column=column, type=columns[column]))


def check_tables(cursor: SnowflakeCursor, topic: str) -> None:
    """Compare the tables that rows of ``topic`` go into with the columns that landing writes.

    Raises:
        WarehouseError: they differ; the message names the differences and the statements that mend them.
    """
    for table in (TABLES[topic], REJECTED_TABLE, OFFSETS_TABLE):
        if differences := _list_differences(cursor, table):
            (retention_days,) = (spec.retention_days for spec in broker.TOPICS if spec.name == topic)
            raise WarehouseError(
                f"land {topic}: table RAW.{table} is not as expected: {'; '.join(differences)}; "
                "then run DAG bootstrap_platform, which adds what is missing. Until then nothing of the topic is "
                f"stored, and Kafka keeps its records for {retention_days} days"
            )


def _list_differences(cursor: SnowflakeCursor, table: str) -> list[str]:
    try:
        present = _describe_table(cursor, table)
    except ProgrammingError as error:
        if error.errno == DOES_NOT_EXIST:
            return [f"it does not exist, or this role does not see it ({error.msg})"]
        raise
    expected, differences = COLUMNS[table], []
    for column, kind in expected.items():
        if column not in present:
            differences.append(f"{column} {kind} is missing")
        elif present[column][0].partition("(")[0] != kind:
            aside = f"alter table raw.{table} rename column {column} to {column}_OLD"
            differences.append(f"{column} is {present[column][0]} instead of {kind}, so run: {aside}")
    for column, (kind, compulsory) in present.items():
        if compulsory and column not in expected:
            free = f"alter table raw.{table} alter column {column} drop not null"
            differences.append(f"{column} {kind} is NOT NULL and landing does not know it, so run: {free}")
    return differences


def _describe_table(cursor: SnowflakeCursor, table: str) -> dict[str, tuple[str, bool]]:
    """Return column -> its type, and whether an insert must name it."""
    cursor.execute(statement("describe_table", table=table))
    rows = cursor.fetchall()
    return {name: (kind, nullable == "N" and default is None) for name, kind, _, nullable, default, *_ in rows}
