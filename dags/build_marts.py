"""
# build_marts

model. Runs the dbt project, one Airflow task per model and test, then writes the documentation site. A run begins when
`gather_landings` has gathered what landed in `MARTS_EVERY_MINUTES`. While nothing lands nothing is built, and the
warehouse sleeps. Once a night `maintain_platform` starts a run with *whole*.

**In**: schema `RAW`. **Out**: schemas `STAGING`, `ANALYTICS`; the documentation in the folder named by the environment
variable `DBT_DOCS_DIR`.

**When it fails**: the error of `dbt_producer_watcher` names the nodes that failed, its log has dbt's own messages and
the compiled SQL's path. These nodes are red, and also the nodes after them, which dbt skipped. A failing test means
that the data break a rule in the model's yml; the tables of that run are already built. Start a new run, or clear the
whole one: dbt builds again. A cleared task of one node only reads again what dbt left of it. What has failed for facts
older than a day, or for a version of an instrument that was learnt of late, needs a run with *whole*.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param

from include.orchestration.application.runs import account_for
from include.orchestration.assets import LANDINGS, MARTS
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.marts.render import dbt_docs, dbt_task_group
from include.orchestration.queues import Queue

with DAG(
    "build_marts",
    # What is gathered while a run is active starts one run after it.
    schedule=[LANDINGS],
    max_active_runs=1,
    params={
        "whole": Param(
            False,
            type="boolean",
            title="Whole",
            description="Test all rows and heal all facts, not only those of late.",
        )
    },
    tags=[Tag.MODEL, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=30), retries=1, queue=Queue.WAREHOUSE),
):
    marts = dbt_task_group() >> dbt_docs("docs", pool=Pool.WAREHOUSE, outlets=[MARTS])
    marts >> account_for("model")
