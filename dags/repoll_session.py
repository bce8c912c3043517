"""
# repoll_session

The vendor revises bars: up to a quarter of an hour late, and once more at the end of the day. Live polls ask again for
the last minutes only (`POLL_OVERLAP_MINUTES`). So in the evening this asks for the whole session and the day before
once more, one call per symbol and timespan, and publishes the bars that differ from those of the log or were missing.
Most evenings these are few. The warehouse and the next profiles have the new values, and what was told of live bars
stands; bars that live polls had missed are judged as history by `judge_history`. News of the same time are asked for
again, too: what was corrected is published again, what the vendor no longer lists is published as withdrawn.

Runs four and a half hours after each close of the market: for XNYS at 20:30 in New York, after the post-market and
before the profiles of the next session are built.

**In**: Polygon, `polygon.bars.raw`, `polygon.news.raw`. **Out**: `polygon.bars.raw`,
`polygon.news.raw`, `polygon.rejected`.

**When it fails**: a symbol's call was refused, the log says which and why; the others are done. Clear the task: asking
again changes nothing else. A session that is not asked for again keeps its first values; a backfill of its days brings
the revised ones, too.
"""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task

from include.orchestration.assets import PAST_BARS
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.ingest import polling, repolling
from include.orchestration.timetables import AfterCloseTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()

with DAG(
    "repoll_session",
    schedule=AfterCloseTimetable(settings.poll_calendar, settings.market_shift_ms, delay_seconds=16_200),
    max_active_runs=1,
    tags=[Tag.INGEST, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=3), pool=Pool.BACKFILL),
):

    @task(outlets=[PAST_BARS])
    def repoll() -> dict[str, int]:
        """Bars of the session that the vendor has revised; returns records per topic."""
        asked = repolling.choose_range(get_current_context(), settings)
        return repolling.repoll(polling.read_watchlist(), *asked, settings)

    @task(outlets=[PAST_BARS])
    def repoll_news() -> dict[str, int]:
        """Articles of the session that the vendor has corrected or withdrawn; returns records per topic."""
        asked = repolling.choose_range(get_current_context(), settings)
        return repolling.repoll_news(polling.read_watchlist(), *asked)

    repoll()
    repoll_news()
