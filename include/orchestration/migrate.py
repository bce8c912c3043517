"""Brings topics and tables to what this code needs; runs before it at each start, and is safe to repeat.

``python -m include.orchestration.migrate``. Tables follow numbered migrations. Topics have no steps to go through:
what each is to be stands in ``broker.TOPICS``, and what is missing is created.
"""

from __future__ import annotations

import sys

from include.orchestration import connections
from include.orchestration.application import database
from include.surveillance.errors import WarehouseError


def migrate_topics() -> list[str]:
    """Create the topics that are missing; return their names.

    Raises:
        ConfigurationError: a topic exists with another number of partitions.
        BrokerError: Kafka cannot be reached or refuses.
    """
    from include.surveillance.broker import ensure_topics  # heavy, and parsing bootstrap_platform needs none of it
    from include.surveillance.settings import Settings

    return ensure_topics(connections.kafka(), Settings.from_env().kafka_partitions)


def migrate_warehouse() -> list[str]:
    """Apply the migrations that schema RAW lacks; return their names.

    Raises:
        ConfigurationError: a newer version of the platform has been here.
        WarehouseError: the warehouse cannot be reached or refuses.
    """
    from include.surveillance.warehouse.schema import migrate_raw
    from include.surveillance.warehouse.statements import as_warehouse_error

    with as_warehouse_error("migrate schema RAW"), connections.warehouse() as warehouse:
        return migrate_raw(warehouse)


def check_warehouse() -> dict[str, str]:
    """Return the warehouse, the database and the role that the platform's sessions work with.

    Raises:
        ConfigurationError: one is missing, or a parameter of the session is not as statements need it.
        WarehouseError: the warehouse cannot be reached or refuses.
    """
    from include.surveillance.warehouse.session import check_session
    from include.surveillance.warehouse.statements import as_warehouse_error

    with as_warehouse_error("look at the session"), connections.warehouse() as warehouse:
        return check_session(warehouse)


def main() -> None:
    """Migrate everything; a warehouse that is away does not hold up detection, which does without it.

    Landing compares the version of schema RAW with its own and refuses an older one.
    """
    for what, migrate in (("application database", database.migrate_database), ("topics", migrate_topics)):
        _tell(what, migrate())
    try:
        _tell("warehouse", migrate_warehouse())
    except WarehouseError as error:
        print(f"warehouse: not migrated, run DAG bootstrap_platform later: {error}", file=sys.stderr)  # noqa: T201


def _tell(what: str, done: list[str]) -> None:
    print(f"{what}: {', '.join(done) or 'nothing to do'}")  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
