"""
# maintain_platform

Keeps what grows by the day within bounds, each by a setting. *Trigger* may keep more for one run, never less.

| what grows | what becomes of it |
|---|---|
| what people did, in Airflow's table `log` | first copied to table `audit_log`, kept `AUDIT_YEARS` |
| runs, tasks, XComs, events, callbacks in Airflow's metadata, and their logs | deleted after `RUN_DAYS` |
| the same of DAGs that run every minute, but for the runs | deleted after `MINUTELY_HOURS`; large tables written anew |
| reports of `calibrate_rules`, `compare_parameters` and `backtest_rules` | deleted after `REPORT_DAYS` |
| alerts and batches of the page, in the application database | deleted `ALERT_DAYS` after their last change |
| Kafka topics | Kafka deletes and compacts; existing topics get the retention of this version |
| bars, metrics, news, watermarks, rejects, uncited profiles in `RAW` | deleted after `RAW_DAYS` and `RAW_..._DAYS` |
| files that a killed landing left on its stage | removed after a day |

Alerts, cited profiles, parameters, instruments, corporate actions, dispositions and the audit log stay in `RAW`.
Celery's results in Redis end after a day. The local stack keeps 600 MB of each component's log. A run of `build_marts`
is started that tests all rows of the marts and heals all facts.

Runs five hours after each close of the market: for XNYS at 21:00 in New York, after the post-market. A table is written
anew outside of sessions only, whenever it runs; that locks it for as long as its remaining rows take.

**When it fails**: nothing breaks at once, but the disk fills up. *Connection airflow_db is not defined*: define it with
the address of Airflow's metadata database. *Row of table audit_log is not what was written*: somebody changed it, and
nothing of Airflow's is deleted until that is cleared up ([audit log](people-and-rights.md#the-audit-log)). When the
disk is nearly full, set smaller values and run it by hand. Choose `RUN_DAYS` longer than the longest run.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, get_current_context, task

from include.orchestration import connections, maintenance
from include.orchestration.application import audit as audit_log
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.marts.runs import start_whole_build
from include.orchestration.timetables import AfterCloseTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()


def at_least(days: float, description: str) -> Param:
    """A field that may keep more than the setting, not less."""
    return Param(days, type="number", minimum=days, description=description)


def ago(field: str) -> datetime:
    """The moment so many days ago as the form's field says."""
    return maintenance.days_ago(get_current_context()["params"][field])


with DAG(
    "maintain_platform",
    schedule=AfterCloseTimetable(settings.poll_calendar, settings.market_shift_ms, delay_seconds=5 * 3600),
    max_active_runs=1,
    tags=[Tag.PLATFORM, Tag.TIER_2],
    params={
        "keep_days": at_least(settings.run_days, "Airflow's runs and logs of the last so many days are kept"),
        "minutely_days": at_least(settings.minutely_hours / 24, "Tasks of ingest_market_data and land_raw"),
        "report_days": at_least(settings.report_days, "Reports"),
        "alert_days": at_least(settings.alert_days, "Alerts and batches of the page; the warehouse keeps all alerts"),
        **{name: at_least(getattr(settings, name), what) for name, what in maintenance.RAW_CLASSES.items()},
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=1)),
):

    @task
    def audit() -> dict[str, object]:
        """Copy what people did to the audit log; returns how many acts, and the hash of the last one."""
        return audit_log.update_audit(maintenance.days_ago(settings.audit_years * 365.25))

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
        return maintenance.clean_raw({field: ago(field) for field in maintenance.RAW_CLASSES})

    @task(pool=Pool.WAREHOUSE)
    def staged_files() -> int:
        """Remove files that killed landings left behind; returns how many."""
        return maintenance.clean_stage()

    # What is deleted has been copied, and a run that is shown has its logs.
    audit() >> metadata() >> logs()
    reports()
    application_rows()
    topics()
    raw_rows()
    staged_files()
    start_whole_build("marts")
