"""
# backfill_market_data

Brings past bars and news through the same path as live ones: same topics, same detection, same tables. Started by hand
with the form; one task per ten symbols, two at a time, each going through the range from its oldest day on. Asking
again for what is there changes nothing. Live detection only looks back on these bars. They are judged as history by
`judge_history`, each by what was known before it: its alerts are stored, the page shows them under *History*, and
nobody is notified of them.

With *flat files* the bars come from files instead, one a day, day after day in one task: from a folder below
`FLAT_FILES_FOLDER`, or from S3 by connection `flat_files`, e.g. `s3://flatfiles/us_stocks_sip/minute_aggs_v1` of the
vendor's. News come from Polygon all the same.

**In**: Polygon, or files of bars. **Out**: `polygon.bars.raw`, `polygon.news.raw`, `polygon.rejected`.

**When it fails**: clear the red tasks; each is independent of the others. *not entitled*: the plan's history does not
reach that far back, choose a later *from*. *0 bars for ...* in a log, *no bars* in `polygon.rejected`: the vendor has
none of that symbol in the whole range; is it written as the vendor does? *S3 answers 403*: the keys are not those of
S3, or the plan has no flat files, or not of these days.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, get_current_context, task

from include.orchestration import connections, forms
from include.orchestration.application.runs import account_for
from include.orchestration.assets import PAST_BARS
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.ingest import backfill, polling
from include.orchestration.ingest.backfill_operator import BackfillOperator


def read_symbols() -> list[str]:
    """Read the symbols of the run's form, else the watchlist."""
    return forms.read_symbols(get_current_context()["params"]) or polling.read_watchlist()


with DAG(
    "backfill_market_data",
    schedule=None,
    max_active_runs=1,
    tags=[Tag.BACKFILL, Tag.TIER_2],
    params={
        **forms.bars_params(no_symbols="the watchlist"),
        "files": forms.files_param(),
        "chunk_days": Param(5, type="integer", minimum=1, maximum=30, title="Days per call"),
        "symbols_per_task": Param(10, type="integer", minimum=1, maximum=500, title="Symbols per task"),
        "news": Param(True, type="boolean", title="News too"),
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=6), execution_timeout=timedelta(days=1), retries=4),
):

    @task
    def plan() -> list[dict]:
        """Whose bars each task is to bring."""
        params = get_current_context()["params"]
        # A flat file has all symbols, and is read once.
        size = forms.MOST_SYMBOLS if params["files"] else params["symbols_per_task"]
        return backfill.plan_tasks(read_symbols(), size)

    @task(pool=Pool.BACKFILL)
    def poll_news() -> dict[str, int]:
        """News of the symbols in the whole range; returns records per topic."""
        from include.surveillance import broker, normalise

        context = get_current_context()
        if not context["params"]["news"]:
            return {}
        span = forms.read_range(context["params"], context["dag_run"].run_after)
        payload = connections.polygon(connections.PATIENT_SECONDS).news(*span)
        items = normalise.news(payload, read_symbols(), source="backfill", companies=polling.read_companies())
        return broker.publish(connections.kafka(), items)

    # News first: an article waits for the bars of its time, bars wait for articles only a while.
    calls = plan()
    poll = BackfillOperator.partial(
        task_id="poll", pool=Pool.BACKFILL, outlets=[PAST_BARS], map_index_template="{{ task.name }}"
    ).expand_kwargs(calls)
    calls >> poll_news() >> poll >> account_for("backfill", "poll", "poll_news")
