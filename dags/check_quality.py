"""
# check_quality

Watches the watcher, every five minutes while the market is open: is every feed being polled, does detection keep up, do
Airflow's own components work, do records reach the warehouse, are people notified, are unusually many records rejected,
why are minutes missing? A check that still fails after three retries, about a minute later, says on every channel which
stage is broken and since when.

**When it fails**: the message names the DAG to look at. Is the DAG paused? Are scheduler, triggerer and worker running?
"""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from include.orchestration import quality
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.timetables import MarketSessionTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()

with DAG(
    "check_quality",
    schedule=MarketSessionTimetable(
        settings.poll_calendar, settings.market_shift_ms, step_seconds=300, delay_seconds=60, hours=settings.poll_hours
    ),
    max_active_runs=1,
    tags=[Tag.QUALITY, Tag.TIER_1],
    doc_md=__doc__,
    # A platform that has just started gets a minute for its first poll before anybody is notified.
    **dag_defaults(deadline=timedelta(minutes=10), retries=3),
):

    @task
    def feeds() -> dict[str, float]:
        """Seconds since the newest poll of each feed."""
        return quality.check_feeds(get_current_context()["dag_run"].run_after)

    @task
    def detection() -> float:
        """Seconds for which the oldest message that detection has not seen has been waiting."""
        return quality.check_detection()

    @task
    def components() -> dict[str, float]:
        """Seconds since the newest heartbeat of scheduler, triggerer and DAG processor."""
        return quality.check_components()

    @task(pool=Pool.WAREHOUSE)
    def landing() -> float:
        """Seconds since the warehouse last stored something."""
        return quality.check_landing(get_current_context()["dag_run"].run_after)

    @task
    def notification() -> int:
        """Messages that wait to be sent."""
        return quality.check_notification(get_current_context()["dag_run"].run_after)

    @task
    def rejects() -> int:
        """Records rejected since the last check."""
        return quality.check_rejects(get_current_context()["dag_run"].run_after - timedelta(minutes=5))

    @task
    def missing_minutes() -> dict[str, int]:
        """Missing minute bars of the last half hour per cause: no trade, halt, provider gap, our outage, unknown."""
        return quality.check_missing_minutes(get_current_context()["dag_run"].run_after)

    feeds()
    detection()
    components()
    landing()
    notification()
    rejects()
    missing_minutes()
