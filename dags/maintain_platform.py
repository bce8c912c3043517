"""
# maintain_platform

Keeps what grows by the day within bounds, each by a policy of its own (*Trigger* asks for others, for one run):

| what grows | what becomes of it |
|---|---|
| runs, tasks, XComs, events, callbacks in Airflow's metadata, and their logs | deleted after `keep_days` |
| the same of DAGs that run every minute, but for the runs | deleted after `minutely_days`; large tables written anew |
| reports of `calibrate_rules` and `compare_parameters` | deleted after `report_days` |
| alerts and batches of the page, in the application database | deleted `alert_days` after their last change |
| Kafka topics | Kafka deletes and compacts; existing topics get the retention of this version |
| bars, metrics, news and rejects in `RAW` | deleted `raw_days` after landing; marts, alerts, instruments stay |
| files that a killed landing left on its stage | removed after a day |

Celery's results in Redis end after a day by themselves, the local stack cuts its components' own logs at 40 MB each,
and a full refresh of the marts starts from what `RAW` still has.

Runs five hours after each close of the market: for XNYS at 21:00 in New York, after the post-market. A table is written
anew outside of sessions only, whenever it runs; that locks it for as long as its remaining rows take.

**When it fails**: nothing breaks at once, but the disk fills up. *Connection airflow_db is not defined*: define it with
the address of Airflow's metadata database. When the disk is nearly full, run it by hand with smaller values. Choose
`keep_days` longer than the longest run.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, get_current_context, task

from include.orchestration import connections, maintenance
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.timetables import AfterCloseTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()


def days(default: float, description: str, minimum: float = 0.01) -> Param:
    return Param(default, type="number", minimum=minimum, description=description)


def ago(field: str) -> datetime:
    """The moment so many days ago as the form's field says."""
    return maintenance.days_ago(get_current_context()["params"][field])


with DAG(
    "maintain_platform",
    schedule=AfterCloseTimetable(settings.poll_calendar, settings.market_shift_ms, delay_seconds=5 * 3600),
    max_active_runs=1,
    tags=[Tag.PLATFORM, Tag.TIER_2],
    params={
        "keep_days": days(7, "Airflow's runs and logs of the last so many days are kept"),
        "minutely_days": days(0.25, "The same for the tasks of ingest_market_data and land_raw"),
        "report_days": days(90, "Reports"),
        "alert_days": days(400, "Alerts and batches of the page; the warehouse keeps all alerts"),
        "raw_days": days(400, "Bars, metrics, news and rejects in RAW; 0 keeps them for ever", minimum=0),
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=1)),
):

    @task
    def metadata() -> dict[str, int]:
        """Delete old rows of Airflow's metadata database; returns the bytes that each table gave back to the disk."""
        maintenance.clean_metadata(ago("keep_days"), ago("minutely_days"))
        return maintenance.rewrite_large_tables()

    @task
    def logs() -> int:
        """Delete old log folders; returns how many."""
        return maintenance.clean_logs(ago("keep_days"), ago("minutely_days"))

    @task
    def reports() -> int:
        """Delete old reports; returns how many."""
        return maintenance.clean_reports(ago("report_days"))

    @task
    def application_rows() -> dict[str, int]:
        """Delete old alerts and batches of the application database; returns how many."""
        return maintenance.clean_application(ago("alert_days"))

    @task
    def topics() -> list[str]:
        """Give existing topics this version's retention; returns those that had another."""
        from include.surveillance import broker

        return broker.configure_topics(connections.kafka())

    @task(pool=Pool.WAREHOUSE)
    def raw_rows() -> dict[str, int]:
        """Delete old rows of RAW; returns how many of each table."""
        return maintenance.clean_raw(get_current_context()["params"]["raw_days"])

    @task(pool=Pool.WAREHOUSE)
    def staged_files() -> int:
        """Remove files that killed landings left behind; returns how many."""
        return maintenance.clean_stage()

    # A run that is shown has its logs.
    metadata() >> logs()
    reports()
    application_rows()
    topics()
    raw_rows()
    staged_files()
