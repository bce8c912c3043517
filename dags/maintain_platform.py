"""
# maintain_platform

Once a day: delete Airflow's rows and log folders of runs older than `keep_days`. A day of minute polling writes tens
of thousands of rows and files; market data is never touched (Kafka and the warehouse keep their own).

**When it fails**: nothing breaks soon, the disk fills. *Connection airflow_db is not defined*: define it with the
address of Airflow's metadata database. Run it by hand with a smaller `keep_days` when the disk is nearly full.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from include.orchestration.dag_defaults import Tag, dag_defaults

with DAG(
    "maintain_platform",
    schedule="30 5 * * *",
    max_active_runs=1,
    tags=[Tag.PLATFORM, Tag.TIER_2],
    params={"keep_days": Param(7, type="integer", minimum=1, description="Keep runs of the last so many days")},
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=1)),
):

    @task
    def metadata(params: dict) -> list[str]:
        """Delete old rows of Airflow's metadata database."""
        from include.orchestration import housekeeping

        return housekeeping.clean_metadata(housekeeping.days_ago(params["keep_days"]))

    @task
    def logs(params: dict) -> int:
        """Delete old log folders; returns how many."""
        from include.orchestration import housekeeping

        return housekeeping.clean_logs(housekeeping.log_folder(), housekeeping.days_ago(params["keep_days"]))

    metadata() >> logs()
