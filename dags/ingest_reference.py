"""
# ingest_reference

Once a day before the market opens: reference data of the watched instruments with the changes of their tickers, and all
stock splits and cash dividends of the last months, announced ones included. Detection needs them so that a split or an
ex-date is no price gap, and so that a series goes on under its instrument's next ticker and ends where the ticker
changes hands. What the vendor lists no more is withdrawn.

**In**: Polygon. **Out**: `polygon.reference.raw`, `market.baselines`; alerts `data_quality` of what
contradicts itself.

**When it fails**: detection goes on with what is known so far. In `polygon.rejected`: *unknown ticker*, *ticker
changed* and *ticker delisted* ask to correct the watchlist.
"""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from include.orchestration.assets import REFERENCE
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.ingest import reference

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
        """Name, exchange, identifiers and tickers of each watched symbol."""
        return reference.ingest_instruments(get_current_context()["dag_run"].run_after)

    @task
    def splits() -> dict[str, int]:
        """Splits of all tickers."""
        return reference.ingest_splits(get_current_context()["dag_run"].run_after)

    @task
    def dividends() -> dict[str, int]:
        """Cash dividends of all tickers."""
        return reference.ingest_dividends(get_current_context()["dag_run"].run_after)

    instruments() >> [splits(), dividends()]
