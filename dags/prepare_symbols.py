"""
# prepare_symbols

Looks at what is new on the watchlist, within a minute of its change. Words that are no ticker, and tickers that the
vendor's reference data does not know, are told once. Of each new symbol it brings the minute bars of 30 days and builds
a profile. Until that holds, six hours at most, alerts of the symbol are stored and shown, and nobody is notified of
them. The first list of a new platform is left to whoever sets it up.

**In**: table `watchlist` in connection `surveillance_db`, which polling keeps; Polygon. **Out**: `polygon.bars.raw`,
`polygon.reference.raw`, `polygon.rejected`, `market.baselines`.

**When it fails**: `tell_wrong_words` is red on purpose, its message says which words are wrong and where to correct
them; nothing is to be cleared. *not entitled* in `bring_history`: the plan's history does not reach 30 days back, run
`backfill_market_data` over a shorter range, then `build_baselines` with *Holds from* = `now`. Other tasks: clear them.
"""

from datetime import timedelta

from airflow.sdk import DAG, TriggerRule, get_current_context, task

from include.orchestration.assets import PAST_BARS, WATCHLIST
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.ingest import new_symbols

with DAG(
    "prepare_symbols",
    schedule=[WATCHLIST],
    max_active_runs=1,
    tags=[Tag.BACKFILL, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=6), execution_timeout=timedelta(days=1), retries=3),
):

    @task(pool=Pool.POLYGON)
    def check_symbols() -> list[str]:
        """Ask the vendor's reference data for new symbols; returns those whose history is to be brought."""
        return new_symbols.check_symbols()

    @task(retries=0, trigger_rule=TriggerRule.ALL_DONE)
    def tell_wrong_words() -> None:
        """Fails when a new word is no ticker, or one that the vendor does not know."""
        new_symbols.tell_wrong_words()

    @task(pool=Pool.BACKFILL, outlets=[PAST_BARS])
    def bring_history(symbols) -> dict[str, int]:
        """Minute bars of the new symbols, oldest first; returns records per topic."""
        return new_symbols.bring_history(symbols, get_current_context()["dag_run"].run_after)

    @task
    def build_profiles() -> int:
        """Profiles of all symbols; returns from when on they hold, UTC epoch ms."""
        return new_symbols.build_profiles(get_current_context()["dag_run"].run_after)

    @task
    def notify_from_now_on(symbols) -> None:
        """Alerts of the new symbols are told once their profiles hold; without history at once."""
        effective_ms = get_current_context()["ti"].xcom_pull(task_ids="build_profiles")
        new_symbols.mark_ready(symbols, effective_ms)

    symbols = check_symbols()
    history = bring_history(symbols)
    symbols >> tell_wrong_words()
    history >> build_profiles() >> notify_from_now_on(symbols).as_teardown()
