"""
# serve_features

model. Brings the features of each symbol as they are known now into the online store (Feast on Redis), whenever the
marts have been built. Runs by itself with `FEATURES=1` only. Reads what is not older than five days, and replaces only
what is older; so every run can be repeated, and one brings back what Redis has lost.

**In**: `feature_bar_v1` and `feature_symbol_day_v1` of `ANALYTICS`, connection `snowflake_default`. **Out**: the Redis
of connection `feature_store`.

**When it fails**: the features that were served last are served on, until they are five days old; the next run brings
all of it. *Does not exist: start the local stack with FEATURES=1*: the feature store has a virtualenv of its own, which
the local stack makes then and which the image has; elsewhere make it from `include/feature_store/requirements.lock`
and name its Python in `FEATURES_PYTHON`. *The password has a comma*: Feast cannot take it, choose another one.
"""

from datetime import timedelta

from airflow.sdk import DAG

from include.orchestration.assets import MARTS
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.features import ServeFeaturesOperator
from include.orchestration.queues import Queue
from include.surveillance.settings import Settings

with DAG(
    "serve_features",
    schedule=[MARTS] if Settings.from_env().features == "1" else None,
    max_active_runs=1,
    tags=[Tag.MODEL, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(
        deadline=timedelta(minutes=15),
        execution_timeout=timedelta(minutes=10),
        queue=Queue.WAREHOUSE,
        pool=Pool.WAREHOUSE,
    ),
):
    ServeFeaturesOperator(task_id="serve")
