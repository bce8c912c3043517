"""
# land_raw

land. Brings every new message of each topic into the warehouse as it is: rows and the offsets that they came from in
one transaction, nothing replaced. A run that dies stores a batch wholly or not at all; the next one goes on. With
`LAND_BY=streaming` Snowpipe Streaming carries the rows, and of a batch that was cut off the next run sends the rest.
Runs begin half a minute after a minute's close, when polling and detection are done with it; a topic without new
records has no task. They follow the market until an hour after its last bars, so that the warehouse sleeps at night;
bars of a backfill or of the evening's re-poll are landed at any hour, as soon as they are there.

**In**: all topics but the detector's state. **Out**: `RAW.RAW_BARS`, `RAW_WATERMARKS`, `RAW_NEWS`, `RAW_ALERTS`,
`RAW_METRICS`, `RAW_INSTRUMENTS`, `RAW_CORPORATE_ACTIONS`, `RAW_SCHEDULED_EVENTS`, `RAW_PROFILES`, `RAW_PARAMETERS`,
`RAW_DISPOSITIONS`, `RAW_AUDIT`, `RAW_REJECTED`, and the offsets of each topic, `RAW.KAFKA_OFFSETS_*`.

**When it fails**: polling and detection go on, Kafka keeps the records for days. *Warehouse does not answer*: start it;
the next runs land the backlog, and each run works at most two minutes per topic. *Schema RAW lacks a migration*: run
`bootstrap_platform`. *Table is not as expected*: run the statements that the message names. *Locked by another
transaction*: another user of the warehouse has a topic's offsets locked; `show locks in account` names him to an
administrator. A landing that was killed is no reason: the next one aborts its transaction after 30 seconds.
"""

from datetime import timedelta

from airflow.sdk import DAG, AssetOrTimeSchedule, task

from include.orchestration import connections
from include.orchestration.application.runs import account_for
from include.orchestration.assets import PAST_BARS, RAW_TABLES
from include.orchestration.dag_defaults import Pool, Tag, dag_defaults
from include.orchestration.queues import Queue
from include.orchestration.timetables import MarketSessionTimetable
from include.surveillance.settings import Settings

settings = Settings.from_env()

with DAG(
    "land_raw",
    schedule=AssetOrTimeSchedule(
        # It takes timetables of plugins, too, like every DAG.
        timetable=MarketSessionTimetable(  # type: ignore[arg-type]
            settings.poll_calendar,
            settings.market_shift_ms,
            step_seconds=settings.land_every_seconds,
            delay_seconds=30,
            after_seconds=3_600,
            hours=settings.poll_hours,
        ),
        assets=[PAST_BARS],
    ),
    max_active_runs=1,
    tags=[Tag.LAND, Tag.TIER_1],
    doc_md=__doc__,
    # Of itself the connector would wait for a lost warehouse for ever.
    **dag_defaults(
        deadline=timedelta(minutes=15),
        execution_timeout=timedelta(minutes=10),
        queue=Queue.WAREHOUSE,
        pool=Pool.WAREHOUSE,
    ),
):

    @task
    def behind() -> list[str]:
        """Topics with something new: the others cost no task."""
        from include.surveillance.warehouse.landing import list_topics_behind

        with connections.warehouse() as session:
            return list_topics_behind(session, connections.kafka())

    @task(outlets=[RAW_TABLES], map_index_template="{{ task.op_kwargs['topic'] }}")
    def land(topic: str) -> dict[str, int]:
        """Land one topic, for two minutes at most; counts only."""
        from include.surveillance.warehouse import landing, streaming

        kafka = connections.kafka()
        with (
            streaming.open_store(settings.land_by, kafka, connections.warehouse_variables) as store,
            connections.warehouse() as session,
        ):
            landed = landing.land(session, kafka, topic, store=store)
        return {"rows": landed.rows, "batches": landed.batches}

    land.expand(topic=behind()) >> account_for("land", "land")
