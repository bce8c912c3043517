"""
# ingest_market_data

poll → normalise → publish, every minute while the market is open: one task per symbol of the watchlist. Each asks for
the bars since the last successful run (plus an overlap for late and corrected ones), so the first run after an outage
closes the gap. 5-minute, hour and day bars are asked for when one has closed.

**In**: Polygon; the watchlist is the Airflow Variable `watchlist` or the file `include/watchlist.txt`.
**Out**: `polygon.bars.raw`, `polygon.news.raw`; what cannot be used goes to `polygon.rejected` with its reason.

**When it fails**: *API key* or *not entitled*: correct connection `polygon_default`; *calls a minute*: watch fewer
symbols or take a larger plan; *clock*: set the machine's. Such errors are not retried. *Rate limit*, *not reachable*:
retried; the next run asks for the same time again. Nothing needs to be cleared by hand.
"""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from include.orchestration.assets import NEWS
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.timetables import MarketSessionTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()
CATCHUP, OVERLAP = timedelta(days=settings.catchup_days), timedelta(minutes=settings.poll_overlap_minutes)
# Articles reach the vendor's list minutes after the time that they carry.
NEWS_OVERLAP = max(OVERLAP, timedelta(minutes=30))

with DAG(
    "ingest_market_data",
    schedule=MarketSessionTimetable(
        settings.poll_calendar, settings.market_shift_ms, delay_seconds=settings.poll_delay_seconds
    ),
    max_active_runs=3,
    max_active_tasks=64,
    tags=[Tag.INGEST, Tag.TIER_1],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(minutes=5)),
):

    @task
    def watchlist() -> list[dict]:
        """Which symbols to poll, and for which time."""
        from include.orchestration import polling

        window = polling.window_of(get_current_context(), CATCHUP)
        symbols = polling.symbols()
        polling.check_calls(symbols)
        return [{"symbol": symbol, **window._asdict()} for symbol in symbols]

    @task(pool=Pool.POLYGON, map_index_template="{{ task.op_kwargs['symbol'] }}")
    def poll(symbol: str, since_ms: int, end_ms: int) -> dict[str, int]:
        """Bars of one symbol, each timespan that has a new one; returns records per topic."""
        from include.orchestration import connections, polling
        from include.surveillance import broker, normalise

        polygon, window, records = connections.polygon(), polling.Window(since_ms, end_ms), []
        for timespan in polling.due(window):
            payload = polygon.bars(symbol, timespan, window.asking(OVERLAP), end_ms)
            records += normalise.bars(payload, source="live")
        return broker.publish(connections.kafka(), records)

    @task(pool=Pool.POLYGON, outlets=[NEWS])
    def poll_news() -> dict[str, int]:
        """News of all symbols in one question; returns records per topic."""
        from include.orchestration import connections, polling
        from include.surveillance import broker, normalise

        window = polling.window_of(get_current_context(), CATCHUP)
        payload = connections.polygon().news(window.asking(NEWS_OVERLAP), window.end_ms)
        return broker.publish(connections.kafka(), normalise.news(payload, polling.symbols(), source="live"))

    poll.expand_kwargs(watchlist())
    poll_news()
