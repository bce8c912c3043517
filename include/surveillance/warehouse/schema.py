"""The raw tables: migrates them, and compares them with the columns that landing writes."""

from __future__ import annotations

from datetime import UTC, datetime

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.errors import ProgrammingError

from include.surveillance import broker
from include.surveillance.errors import WarehouseError
from include.surveillance.migrations import Migration, describe_missing, read_migrations, select_missing
from include.surveillance.warehouse.rows import KINDS, REJECTED_TABLE, TABLES
from include.surveillance.warehouse.statements import SQL, as_warehouse_error, statement

OFFSETS = {
    broker.BARS: "KAFKA_OFFSETS_BARS",
    broker.NEWS: "KAFKA_OFFSETS_NEWS",
    broker.REFERENCE: "KAFKA_OFFSETS_REFERENCE",
    broker.REJECTED: "KAFKA_OFFSETS_REJECTED",
    broker.ALERTS: "KAFKA_OFFSETS_ALERTS",
    broker.METRICS: "KAFKA_OFFSETS_METRICS",
    broker.BASELINES: "KAFKA_OFFSETS_BASELINES",
    broker.DISPOSITIONS: "KAFKA_OFFSETS_DISPOSITIONS",
    broker.AUDIT: "KAFKA_OFFSETS_AUDIT",
}
"""Landed topic -> the table of its offsets. View LANDED_OFFSETS shows all of them."""
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
OFFSET_COLUMNS = {
    "TOPIC": "VARCHAR",
    "PARTITION_ID": "NUMBER",
    "NEXT_OFFSET": "NUMBER",
    "TOPIC_ID": "VARCHAR",
    "LEADER_EPOCH": "NUMBER",
    "UPDATED_AT": "TIMESTAMP_NTZ",
}
COLUMNS = {**dict.fromkeys(OFFSETS.values(), OFFSET_COLUMNS), **dict.fromkeys(TABLES, RAW_COLUMNS)}
"""The columns that landing writes: table -> column -> type without its length."""
MIGRATIONS = read_migrations(SQL / "migrations")
DOES_NOT_EXIST = 2003


def migrate_raw(connection: SnowflakeConnection) -> list[str]:
    """Apply the migrations that schema RAW lacks; return their names.

    Snowflake commits each statement that defines something by itself, so a migration is no transaction: each of its
    statements can be repeated, and it is recorded when all are done. Two who migrate at once do the same twice.

    Raises:
        ConfigurationError: a newer version of the platform has been here.
        WarehouseError: the warehouse refused.
    """
    with as_warehouse_error("migrate schema RAW"), connection.cursor() as cursor:
        cursor.execute(statement("create_raw_schema"))
        cursor.execute(statement("create_schema_migrations"))
        missing = select_missing(MIGRATIONS, _select_applied(cursor), "schema RAW of the warehouse")
        for migration in missing:
            connection.execute_string(migration.sql)
            applied_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
            record = {"version": migration.version, "name": migration.name, "applied_at": applied_at}
            cursor.execute(statement("record_migration"), record)
    return [describe_missing([migration]) for migration in missing]


def list_applied_migrations(connection: SnowflakeConnection) -> list[int]:
    """List the numbers of the migrations that schema RAW has recorded.

    Raises:
        WarehouseError: the warehouse refused.
    """
    with as_warehouse_error("look up the migrations of schema RAW"), connection.cursor() as cursor:
        return sorted(_select_applied(cursor))


def check_tables(cursor: SnowflakeCursor, topic: str) -> None:
    """Compare the tables that rows of ``topic`` go into with the columns that landing writes.

    Raises:
        WarehouseError: a migration is missing, or they differ; the message names the differences and the statements
            that mend them.
    """
    if missing := _list_missing(cursor):
        raise WarehouseError(
            f"land {topic}: schema RAW lacks {describe_missing(missing)}, which this code needs; "
            f"run DAG bootstrap_platform; {_consequence(topic)}"
        )
    for table in dict.fromkeys((*KINDS[topic].values(), REJECTED_TABLE, OFFSETS[topic])):
        if differences := _list_differences(cursor, table):
            raise WarehouseError(
                f"land {topic}: table RAW.{table} is not as expected: {'; '.join(differences)}; {_consequence(topic)}"
            )


def _consequence(topic: str) -> str:
    (days,) = (spec.retention_days for spec in broker.TOPICS if spec.name == topic)
    kept = "the newest of each key for ever" if days is None else f"its records for {days} days"
    return f"until then nothing of the topic is stored, and Kafka keeps {kept}"


def _list_missing(cursor: SnowflakeCursor) -> list[Migration]:
    try:
        applied = _select_applied(cursor)
    except ProgrammingError as error:
        if error.errno != DOES_NOT_EXIST:
            raise
        applied = set()
    return [migration for migration in MIGRATIONS if migration.version not in applied]


def _select_applied(cursor: SnowflakeCursor) -> set[int]:
    cursor.execute(statement("select_migrations"))
    return {version for (version,) in cursor.fetchall()}


def _list_differences(cursor: SnowflakeCursor, table: str) -> list[str]:
    try:
        present = _describe_table(cursor, table)
    except ProgrammingError as error:
        if error.errno == DOES_NOT_EXIST:
            columns = ", ".join(f"{column} {kind}" for column, kind in COLUMNS[table].items())
            create = f"create table raw.{table} ({columns})"
            return [f"it does not exist, or this role does not see it ({error.msg}), so grant it, or run: {create}"]
        raise
    expected, differences = COLUMNS[table], []
    for column, kind in expected.items():
        add = f"alter table raw.{table} add column {column} {kind}"
        if column not in present:
            differences.append(f"{column} {kind} is missing, so run: {add}")
        elif present[column][0].partition("(")[0] != kind:
            aside = f"alter table raw.{table} rename column {column} to {column}_OLD"
            differences.append(f"{column} is {present[column][0]} instead of {kind}, so run: {aside}; and run: {add}")
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
