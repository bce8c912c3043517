"""
# gather_landings

model. Waits `MARTS_EVERY_MINUTES` from the first landing on, so that one run of `build_marts` models what lands
meanwhile. What lands after that begins the next run. While nothing lands nothing waits, and the warehouse sleeps.

**In**: what `land_raw` has landed. **Out**: a run of `build_marts`.

**When it fails**: the marts are not built; what has landed stays. Start `build_marts` by hand: it waits for nothing.
"""

from datetime import timedelta

from airflow.sdk import DAG

from include.orchestration.assets import RAW_TABLES
from include.orchestration.dag_defaults import Tag, dag_defaults
from include.orchestration.marts.runs import gather
from include.surveillance.settings import Settings

span = timedelta(minutes=Settings.from_env().marts_every_minutes)

with DAG(
    "gather_landings",
    # What lands while a run is active starts one run after it.
    schedule=[RAW_TABLES],
    max_active_runs=1,
    tags=[Tag.MODEL, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=15) + span),
):
    gather("gather", span)
