"""
# ingest_reference

Once a day before the market opens: reference data of the watched instruments, and all stock splits and cash dividends
of the last months, announced ones included. Detection needs them so that a split or an ex-date is no price gap.

**In**: Polygon. **Out**: `polygon.reference.raw`, `market.baselines`.

**When it fails**: detection goes on with the splits and dividends known so far. *unknown ticker* in `polygon.rejected`:
correct the watchlist.
"""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from include.orchestration import connections
from include.orchestration.assets import REFERENCE
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.ingest import polling

SINCE = timedelta(days=400)

with DAG(
    "ingest_reference",
    schedule="0 8 * * *",
    max_active_runs=1,
    tags=[Tag.INGEST, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=30), pool=Pool.POLYGON),
):

    @task(outlets=[REFERENCE])
    def instruments() -> dict[str, int]:
        """Name, exchange and identifiers of each watched symbol."""
        from include.surveillance import broker, normalise

        payload = connections.polygon(connections.PATIENT_SECONDS).instruments(polling.read_watchlist())
        return broker.publish(connections.kafka(), normalise.instruments(payload))

    @task
    def splits() -> dict[str, int]:
        """Splits of all tickers."""
        from include.surveillance import broker, normalise

        since = get_current_context()["dag_run"].run_after - SINCE
        payload = connections.polygon(connections.PATIENT_SECONDS).splits(f"{since:%Y-%m-%d}")
        return broker.publish(connections.kafka(), normalise.splits(payload))

    @task
    def dividends() -> dict[str, int]:
        """Cash dividends of all tickers."""
        from include.surveillance import broker, normalise

        since = get_current_context()["dag_run"].run_after - SINCE
        payload = connections.polygon(connections.PATIENT_SECONDS).dividends(f"{since:%Y-%m-%d}")
        return broker.publish(connections.kafka(), normalise.dividends(payload))

    instruments()
    splits()
    dividends()
