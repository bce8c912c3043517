"""
# bootstrap_platform

Makes everything that the other DAGs expect: topics, tables in the warehouse, tables in the application database,
and one call that shows whether Polygon accepts the key. Run it once after installing and after an upgrade; it
creates what is missing and changes nothing else.

**When it fails**: each task says which connection or setting is wrong and what to do. Correct it and clear the task.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

from include.orchestration import connections
from include.orchestration.application import database
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.surveillance.settings import Settings

with DAG(
    "bootstrap_platform",
    schedule=None,
    max_active_runs=1,
    tags=[Tag.PLATFORM, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=10)),
):

    @task
    def topics() -> list[str]:
        """Create the Kafka topics; returns the new ones."""
        from include.surveillance.broker import ensure_topics

        return ensure_topics(connections.kafka(), Settings.from_env().kafka_partitions)

    @task(pool=Pool.WAREHOUSE)
    def raw_tables() -> None:
        """Create schema RAW and its tables."""
        from include.surveillance.warehouse.schema import create_tables

        with connections.warehouse() as warehouse:
            create_tables(warehouse)

    @task
    def application_tables() -> None:
        """Create the application database's tables."""
        database.create_tables()

    @task(pool=Pool.POLYGON)
    def polygon() -> None:
        """Ask Polygon one cheap question with the configured key."""
        connections.polygon().check()

    topics()
    raw_tables()
    application_tables()
    polygon()
