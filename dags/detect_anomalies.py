"""
# detect_anomalies

consume → detect → alert / measure. One sensor per Kafka partition lives for ten minutes. While bars come it stays on
its worker, looks about once a second, and commits metrics, alerts, state and offsets in one Kafka transaction; when
none have come for a while it waits in the triggerer, without a slot. When a run ends the next begins.

**In**: `polygon.bars.raw`, `polygon.news.raw`. **Out**: `market.alerts`, `market.metrics`, `market.detector.state`.

**When it fails**: nothing is lost, the next run goes on from the committed offsets. *Kafka does not answer*: start
Kafka. *A topic is missing*: run `bootstrap_platform`. *Another process has taken over*: two runs of one partition
overlapped; the older one was fenced off, no action. *Deferred for ever*: is the triggerer running? *A topic was made
anew* or *has lost messages*: the next try goes on from what the log still has, and one alert says so. *Topics have
different numbers of partitions*, or others than before: do what the message says.
"""

from datetime import timedelta

from airflow.sdk import DAG, task

from include.orchestration import connections
from include.orchestration.application.runs import account_for
from include.orchestration.dag_defaults import Tag, follower_defaults
from include.orchestration.sensors import DetectSensor
from include.orchestration.timetables import FollowerTimetable
from include.surveillance.settings import MOST_PARTITIONS, Settings

settings = Settings.from_env()

with DAG(
    "detect_anomalies",
    schedule=FollowerTimetable(settings.detect_lifetime_seconds),
    max_active_runs=1,
    max_active_tasks=MOST_PARTITIONS,
    tags=[Tag.DETECT, Tag.TIER_1],
    doc_md=__doc__,
    **follower_defaults(timedelta(seconds=settings.detect_lifetime_seconds)),
):

    @task
    def partitions() -> list[int]:
        """The partitions of bars, as Kafka has them now: a sensor for each."""
        from include.surveillance.live import detector

        return detector.list_partitions(connections.kafka())

    detect = DetectSensor.partial(
        task_id="detect",
        lifetime_seconds=settings.detect_lifetime_seconds,
        map_index_template="partition {{ task.partition }}",
    ).expand(partition=partitions())
    detect >> account_for("detect", "detect")
