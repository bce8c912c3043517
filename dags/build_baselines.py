"""
# build_baselines

What is usual for each symbol at each time of day, built from the last 20 sessions of the log: the profiles that the
robust rules compare a bar with. Runs every day at 07:00 UTC, and its profiles are valid from the next session on. One
full session is enough; a symbol without any has no profile, and robust rules do not judge it. The newest five versions
of each are kept.

Started by hand with *Holds from* = `now`, the profiles are valid from the minute after next, e.g. after a first
backfill. Bars that have arrived before are not judged anew. Do not do it while a backfill brings bars of today.

**In**: `polygon.bars.raw`, splits of `market.baselines`, `polygon.reference.raw`. **Out**: `market.baselines`.

**When it fails**: detection goes on with the profiles of the evening before, which age slowly. Clear the red partition;
a run that comes late moves its profiles beyond the newest bar by itself. *Another process has taken over*: two runs
built the same partition; the older one was fenced off, no action.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, get_current_context, task

from include.orchestration import connections, profiles
from include.orchestration.dag_defaults import Tag, dag_defaults

with DAG(
    "build_baselines",
    # 02:00 or 03:00 in New York, after the post-market and before the pre-market.
    schedule="0 7 * * *",
    max_active_runs=1,
    tags=[Tag.DETECT, Tag.TIER_2],
    params={
        "effective": Param("next session", type="string", enum=["next session", "now"], title="Holds from"),
    },
    doc_md=__doc__,
    **dag_defaults(deadline=timedelta(hours=2)),
):

    @task
    def effective() -> int:
        """From when on the profiles are valid, UTC epoch ms."""
        context = get_current_context()
        return profiles.choose_effective_ms(context["params"]["effective"], context["dag_run"].run_after)

    @task
    def partitions() -> list[int]:
        """The partitions of bars, as Kafka has them now."""
        from include.surveillance.broker import BARS, partitions_of

        return partitions_of(connections.kafka(), BARS)

    @task(map_index_template="partition {{ task.op_kwargs['partition'] }}")
    def build(partition: int, effective_ms: int) -> dict[str, int]:
        """Profiles of one partition; counts only."""
        return profiles.build_profiles(partition, effective_ms)

    build.partial(effective_ms=effective()).expand(partition=partitions())
