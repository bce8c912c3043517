"""
# bootstrap_platform

Makes everything that the other DAGs expect: topics, tables in the warehouse, tables in the application database,
and one call that shows whether Polygon accepts the key. Before the tables it looks at a session of the warehouse, which
must have warehouse, database and role, and no parameter by which statements would mean something else. The platform's
start does the same; run this one when it could not reach the warehouse, or where something else starts Airflow. What
has been done is not done again.

**When it fails**: each task says which connection or setting is wrong and what to do. Correct it and clear the task.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

from include.orchestration import connections, migrate
from include.orchestration.application import database
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults

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
        return migrate.migrate_topics()

    @task(pool=Pool.WAREHOUSE)
    def session() -> dict[str, str]:
        """Look at a session of the warehouse: returns its warehouse, database and role."""
        return migrate.check_warehouse()

    @task(pool=Pool.WAREHOUSE)
    def raw_tables() -> list[str]:
        """Migrate schema RAW; returns the migrations that were applied."""
        return migrate.migrate_warehouse()

    @task
    def application_tables() -> list[str]:
        """Migrate the application database; returns the migrations that were applied."""
        return database.migrate_database()

    @task(pool=Pool.POLYGON)
    def polygon() -> None:
        """Ask Polygon one cheap question with the configured key."""
        connections.polygon().check()

    topics()
    session() >> raw_tables()
    application_tables()
    polygon()
