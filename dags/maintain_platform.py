"""
# maintain_platform

Keeps what grows by the day within bounds, each by a policy of its own (*Trigger* asks for others, for one run):

| what grows | what becomes of it |
|---|---|
| runs, tasks, XComs, events, callbacks in Airflow's metadata | deleted after `keep_days` |
| log folders of runs and of the DAG processor | deleted after `keep_days` |
| reports of `calibrate_rules` and `compare_parameters` | deleted after `report_days` |
| alerts of the page, in the application database | deleted `alert_days` after their last message |
| Kafka topics | Kafka deletes and compacts; existing topics get the retention of this version |
| bars, metrics, news and rejects in `RAW` | deleted `raw_days` after landing; marts, alerts, instruments stay |
| files that a killed landing left on its stage | removed after a day |

Celery's results in Redis end after a day by themselves, the local stack cuts its components' own logs at 40 MB each,
and PostgreSQL's autovacuum gives the room of deleted rows to new ones. A full refresh of the marts starts from what
`RAW` still has.

05:30 UTC is 00:30 or 01:30 in New York: after the post-market, before the pre-market and `build_baselines`.

**When it fails**: nothing breaks soon, the disk fills. *Connection airflow_db is not defined*: define it with the
address of Airflow's metadata database. Run it by hand with smaller values when the disk is nearly full; no fewer days
than the longest run takes.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from include.orchestration.dag_defaults import Pool, Tag, dag_defaults


def days(default: int, description: str, minimum: float = 0.01) -> Param:
    return Param(default, type="number", minimum=minimum, description=description)


with DAG(
    "maintain_platform",
    schedule="30 5 * * *",
    max_active_runs=1,
    tags=[Tag.PLATFORM, Tag.TIER_2],
    params={
        "keep_days": days(7, "Airflow's runs and logs of the last so many days are kept"),
        "report_days": days(90, "Reports"),
        "alert_days": days(400, "Alerts of the page; the warehouse keeps all of them"),
        "raw_days": days(400, "Bars, metrics, news and rejects in RAW; 0 keeps them for ever", minimum=0),
    },
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

    @task
    def reports(params: dict) -> int:
        """Delete old reports; returns how many."""
        from include.orchestration import housekeeping

        return housekeeping.clean_reports(housekeeping.days_ago(params["report_days"]))

    @task
    def alerts(params: dict) -> int:
        """Delete old alerts of the application database; returns how many."""
        from include.orchestration import housekeeping

        return housekeeping.clean_alerts(housekeeping.days_ago(params["alert_days"]))

    @task
    def topics() -> list[str]:
        """Give existing topics this version's retention; returns those that had another."""
        from include.orchestration import connections
        from include.surveillance import broker

        return broker.configure_topics(connections.kafka())

    @task(pool=Pool.WAREHOUSE)
    def raw_rows(params: dict) -> dict[str, int]:
        """Delete old rows of RAW; returns how many of each table."""
        from include.orchestration import housekeeping

        return housekeeping.clean_raw(params["raw_days"])

    @task(pool=Pool.WAREHOUSE)
    def staged_files() -> int:
        """Remove files that killed landings left behind; returns how many."""
        from include.orchestration import housekeeping

        return housekeeping.clean_stage()

    # A run that is shown has its logs.
    metadata() >> logs()
    reports()
    alerts()
    topics()
    raw_rows()
    staged_files()
