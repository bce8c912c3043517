"""
# ingest_market_data

poll → normalise → publish, every minute while the market is open. Tasks are made ready before the minute closes and ask
as soon as it has: one task per symbol, per group of symbols or for the whole market (`POLL_BY`; by itself it goes by
the watchlist's length). Each asks for the bars since the last successful run (plus an overlap for late and corrected
ones), so the first run after an outage closes the gap. 5-minute, hour and day bars are asked for when one has closed.

**In**: Polygon; the watchlist is the Airflow Variable `watchlist`, else the file `include/watchlist.txt`. Docker and
the demo set the Variable. **Out**: `polygon.bars.raw`, `polygon.news.raw`; what cannot be used goes to
`polygon.rejected` with its reason.

**When it fails**: *API key* or *not entitled*: correct the key, with Docker and on one machine `POLYGON_API_KEY` in
`.env`, elsewhere connection `polygon_default`; *calls a minute*: watch fewer symbols or take a larger plan; *clock*:
set the machine's. Such errors are not retried. *Rate limit*, *not reachable*: retried. A symbol that failed in its
group is polled again by `poll_alone`. *... of ... polls failed* in `check_polls`: it is red on purpose, so that the run
counts as failed and the next one asks for the same minutes again. Nothing needs to be cleared: open the red `poll` or
`plan`, whose log has the cause.
"""

from datetime import timedelta

from airflow.sdk import DAG, TriggerRule, get_current_context, task

from include.orchestration import connections
from include.orchestration.application.runs import account_for
from include.orchestration.assets import NEWS, WATCHLIST_CHANGES
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.ingest import new_symbols, polling
from include.orchestration.ingest.poll_operator import PollOperator
from include.orchestration.queues import Queue
from include.orchestration.timetables import MarketSessionTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()
CATCHUP, OVERLAP = timedelta(days=settings.catchup_days), timedelta(minutes=settings.poll_overlap_minutes)
# Articles reach the vendor's list minutes after the time that they carry.
NEWS_OVERLAP = max(OVERLAP, timedelta(minutes=30))
POLL = {"overlap": OVERLAP, "delay_seconds": settings.poll_delay_seconds, "map_index_template": "{{ task.name }}"}

with DAG(
    "ingest_market_data",
    schedule=MarketSessionTimetable(
        settings.poll_calendar,
        settings.market_shift_ms,
        delay_seconds=-settings.poll_lead_seconds,
        hours=settings.poll_hours,
    ),
    max_active_runs=3,
    # The worker's slots are the limit, and the minute is not to wait for it.
    max_active_tasks=20_000,
    tags=[Tag.INGEST, Tag.TIER_1],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=5), queue=Queue.POLL, pool=Pool.POLYGON),
):

    @task(outlets=[WATCHLIST_CHANGES])
    def plan() -> list[dict]:
        """What each task is to ask for."""
        context, words = get_current_context(), polling.read_words()
        window, symbols = polling.choose_window(context, CATCHUP), list(words.symbols)
        polling.check_calls(symbols, settings)
        new_symbols.store_changes(words, context["outlet_events"])
        return polling.plan_polls(symbols, window, settings)

    @task(outlets=[NEWS])
    def poll_news() -> dict[str, int]:
        """News of all symbols in one question; returns records per topic."""
        from include.surveillance import normalise

        window = polling.choose_window(get_current_context(), CATCHUP)
        polling.wait_until_closed(window.end_ms, settings.poll_delay_seconds)
        polygon, publisher = connections.kept_open()
        payload = polygon.news(window.start_with(NEWS_OVERLAP), window.end_ms)
        watched, companies = polling.read_watchlist(), polling.read_companies()
        return publisher.publish(normalise.news(payload, watched, source="live", companies=companies))

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def check_polls() -> list[dict]:
        """Who failed in a group; fails when a poll failed for good: the next run then asks for its minutes again."""
        polling.check_polls(ti := get_current_context()["ti"])
        # At once: to take poll's output one by one asks for each that was never returned, and logs an error.
        return polling.plan_lone_polls([returned["left"] for returned in ti.xcom_pull(task_ids=["poll"]) if returned])

    poll, checked = PollOperator.partial(task_id="poll", **POLL).expand_kwargs(plan()), check_polls()
    poll_alone = PollOperator.partial(task_id="poll_alone", **POLL).expand_kwargs(checked)
    poll >> checked
    [poll_alone, poll_news()] >> account_for("poll", "poll", "poll_news")
