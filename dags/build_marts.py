"""
# build_marts

model. Runs the dbt project, one Airflow task per model and test, then writes the documentation site. It follows the
market until an hour after its last bars; after a backfill at another hour start it by hand.

**In**: schema `RAW`. **Out**: schemas `STAGING`, `SNAPSHOTS`, `ANALYTICS`; the documentation in the folder named by
the environment variable `DBT_DOCS_DIR`.

**When it fails**: the error of `dbt_producer_watcher` names the nodes that failed, its log has dbt's own messages and
the compiled SQL's path. These nodes are red, and also the nodes after them, which dbt skipped. A failing test means
that the data break a rule in the model's yml; the tables of that run are already built. Start a new run, or clear the
whole one: dbt builds again. A cleared task of one node only reads again what dbt left of it.
"""

from datetime import timedelta

from airflow.sdk import DAG

from include.orchestration.application.runs import account_for
from include.orchestration.assets import MARTS
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.marts.render import dbt_docs, dbt_task_group
from include.orchestration.queues import Queue
from include.orchestration.timetables import MarketSessionTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()

with DAG(
    "build_marts",
    schedule=MarketSessionTimetable(
        settings.poll_calendar,
        settings.market_shift_ms,
        step_seconds=60 * settings.marts_every_minutes,
        after_seconds=3_600,
        hours=settings.poll_hours,
    ),
    max_active_runs=1,
    tags=[Tag.MODEL, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=30), retries=1, queue=Queue.WAREHOUSE),
):
    marts = dbt_task_group() >> dbt_docs("docs", pool=Pool.WAREHOUSE, outlets=[MARTS])
    marts >> account_for("model")
