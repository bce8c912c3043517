"""
# record_desk

notify. Keeps what the desk needs for years: the bars and news around each live alert, once everything around it is
there (an hour after a minute bar's alert), as a record that is never changed and named by its hash; and what people
did, on topics for whoever reads them later.

**In**: `polygon.bars.raw`, `polygon.news.raw`, tables `alerts` and `audit_log` in connection `surveillance_db`.
**Out**: table `evidence`, topics `platform.audit` and `market.dispositions`.

**When it fails**: nothing is lost, the next run goes on where this one ended. Kafka keeps bars for 35 days; alerts that
are older than 30 by the time it runs again have no evidence.
"""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from include.orchestration.dag_defaults import Tag, dag_defaults
from include.orchestration.timetables import MarketSessionTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()

with DAG(
    "record_desk",
    schedule=MarketSessionTimetable(
        settings.poll_calendar,
        settings.market_shift_ms,
        step_seconds=900,
        after_seconds=3_600,
        hours=settings.poll_hours,
    ),
    max_active_runs=1,
    tags=[Tag.NOTIFY, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=15)),
):

    @task
    def keep_evidence() -> int:
        """Keep the bars and news around alerts; returns of how many."""
        from include.orchestration import evidence

        return evidence.keep_evidence(get_current_context()["dag_run"].run_after)

    @task
    def publish_acts() -> dict[str, int]:
        """Publish what people did; returns how many acts, and decisions on alerts among them."""
        from include.orchestration import acts

        return acts.publish_acts()

    keep_evidence()
    publish_acts()
