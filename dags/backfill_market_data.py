"""
# backfill_market_data

Brings past bars and news through the same path as live ones: same topics, same detection, same tables. Started by hand
with the form; one task per ten symbols, two at a time, each going through the range from its oldest day on. Asking
again for what is there changes nothing. Alerts of a backfill are stored and shown, nobody is told of them.

**In**: Polygon. **Out**: `polygon.bars.raw`, `polygon.news.raw`, `polygon.rejected`.

**When it fails**: clear the red tasks; each is independent of the others. *not entitled*: the plan's history does not
reach that far back, choose a later *from*.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, get_current_context, task

from include.orchestration.application.runs import account_for
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults

MOMENT = "A date (that whole trading date in New York) or an instant such as 2026-01-31T14:30:00Z"

with DAG(
    "backfill_market_data",
    schedule=None,
    max_active_runs=1,
    tags=[Tag.BACKFILL, Tag.TIER_2],
    params={
        "from": Param(type="string", minLength=10, title="From", description=MOMENT),
        "to": Param(type="string", minLength=10, title="To", description=f"{MOMENT}; the date itself is included"),
        "symbols": Param(
            [], type="array", items={"type": "string"}, title="Symbols", description="Empty: the watchlist"
        ),
        "timespan": Param("minute", type="string", enum=["minute", "5minute", "hour", "day"], title="Timespan"),
        "chunk_days": Param(5, type="integer", minimum=1, maximum=30, title="Days per call"),
        "symbols_per_task": Param(10, type="integer", minimum=1, maximum=500, title="Symbols per task"),
        "news": Param(True, type="boolean", title="News too"),
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=6), retries=4),
):

    @task
    def plan(params: dict) -> list[dict]:
        """Whose bars each task is to bring."""
        from include.orchestration.ingest import backfill, polling

        return backfill.groups(params["symbols"] or polling.symbols(), params["symbols_per_task"])

    @task(pool=Pool.BACKFILL, map_index_template="{{ task.op_kwargs['name'] }}")
    def poll(name: str, symbols: list[str], params: dict) -> dict[str, int]:
        """Bars of some symbols over the whole range, oldest first; returns records per topic."""
        from include.orchestration import connections
        from include.orchestration.ingest import backfill
        from include.surveillance.broker import Publisher

        spans = backfill.chunks(*backfill.range_of(params, get_current_context()), params["chunk_days"])
        polygon = connections.polygon(connections.PATIENT_SECONDS)
        with Publisher(connections.kafka()) as publisher:
            return backfill.poll(polygon, publisher, symbols, params["timespan"], spans)

    @task(pool=Pool.BACKFILL)
    def poll_news(params: dict) -> dict[str, int]:
        """News of the symbols in the whole range; returns records per topic."""
        from include.orchestration import connections
        from include.orchestration.ingest import backfill, polling
        from include.surveillance import broker, normalise

        if not params["news"]:
            return {}
        start, end = backfill.range_of(params, get_current_context())
        payload = connections.polygon(connections.PATIENT_SECONDS).news(backfill.to_ms(start), backfill.to_ms(end))
        watched = params["symbols"] or polling.symbols()
        return broker.publish(connections.kafka(), normalise.news(payload, watched, source="backfill"))

    # News first: an article waits for the bars of its time, bars wait for articles only a while.
    calls = plan()
    calls >> poll_news() >> poll.expand_kwargs(calls) >> account_for("backfill", "poll", "poll_news")
