"""
# judge_history

Judges what a backfill or the evening's re-poll has brought: each bar by what was known before it, with the profiles
that would have held, in whatever order bars and news came and DAGs ran. Its alerts are history: stored, shown under
*History*, and nobody is notified of them. Runs when past bars have come. What was published before and comes out
differently now is confirmed or retracted; a run that is repeated publishes nothing. Partitions take turns: each takes
0.3 GB and 0.7 kB a bar of its log, e.g. 0.6 GB for 24 symbols with minute bars of 35 days, 1.3 GB for 500 on eight
partitions.

**In**: `polygon.bars.raw`, `polygon.news.raw`, `market.alerts`, splits of `market.baselines`. **Out**: `market.alerts`.

**When it fails**: live alerts are not concerned. Clear the red partition. *Another process has taken over*: two runs
judged the same partition; the older one was fenced off, no action.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

from include.orchestration import connections, history
from include.orchestration.assets import PAST_BARS
from include.orchestration.dag_defaults import Tag, dag_defaults

with DAG(
    "judge_history",
    schedule=[PAST_BARS],
    max_active_runs=1,
    max_active_tasks=1,  # what a partition's log takes is held in memory
    tags=[Tag.DETECT, Tag.TIER_2],
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=2)),
):

    @task
    def partitions() -> list[int]:
        """The partitions of bars, as Kafka has them now."""
        from include.surveillance.broker import BARS, partitions_of

        return partitions_of(connections.kafka(), BARS)

    @task(map_index_template="partition {{ task.op_kwargs['partition'] }}")
    def judge(partition: int) -> dict[str, int]:
        """The history of one partition; counts only."""
        return history.judge_history(partition)

    judge.expand(partition=partitions())
