"""Which of Airflow's own statistics Prometheus gets, and those that our tasks send the same way."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["c", "g", "ms"]


class Stat(NamedTuple):
    """One statistic as StatsD has it.

    Attributes:
        name: without Airflow's prefix; in ``metrics_template.yaml`` of Airflow unless it is ours.
        kind: counter, gauge or timer.
        labels: the tags that are kept; never one that has as many values as there are runs, hosts or symbols.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    text: str

    @property
    def metric(self) -> str:
        """Name it as Prometheus does: ``ti.finish`` is ``airflow_ti_finish_total``."""
        prefix = "" if self.name.startswith("surveillance.") else "airflow_"
        unit = {"c": "_total", "g": "", "ms": "_seconds"}[self.kind]
        return f"{prefix}{self.name.replace('.', '_').replace('-', '_')}{unit}"


DAG, TASK, POOL = ("dag_id",), ("dag_id", "task_id", "state"), ("pool_name",)
STATS = (
    Stat("surveillance.detect.step", "ms", (), "How long detection took for one batch, from its messages to Kafka."),
    Stat("surveillance.detect.bars", "c", ("arrival",), "Bars that detection has seen, by what they were to it."),
    Stat("scheduler_heartbeat", "c", (), "Heartbeats of the scheduler."),
    Stat("triggerer_heartbeat", "c", (), "Heartbeats of the triggerer."),
    Stat("dag_processor_heartbeat", "c", (), "Heartbeats of the DAG processor."),
    Stat("ti.finish", "c", TASK, "Tasks that ended, nodes of dbt among them, by state."),
    Stat("task.duration", "ms", DAG, "How long tasks ran."),
    Stat("task.scheduled_duration", "ms", ("queue",), "How long tasks waited for the scheduler to queue them."),
    Stat("dagrun.schedule_delay", "ms", DAG, "How late runs began."),
    Stat("dagrun.duration.success", "ms", DAG, "How long runs took that succeeded."),
    Stat("dagrun.duration.failed", "ms", DAG, "How long runs took that failed."),
    Stat("task_instances_without_heartbeats_killed", "c", (), "Running tasks that fell silent and were ended."),
    Stat("scheduler.tasks.killed_externally", "c", (), "Tasks that something else than Airflow ended."),
    Stat("scheduler.scheduler_loop_duration", "ms", (), "How long the scheduler's loop takes."),
    Stat("scheduler.tasks.starving", "g", (), "Tasks that wait for a slot of a pool."),
    Stat("executor.open_slots", "g", (), "Free slots of the executor."),
    Stat("executor.queued_tasks", "g", (), "Tasks that the executor has queued."),
    Stat("executor.running_tasks", "g", (), "Tasks that run."),
    Stat("pool.open_slots", "g", POOL, "Free slots of a pool."),
    Stat("pool.queued_slots", "g", POOL, "Slots of a pool whose tasks are queued."),
    Stat("pool.running_slots", "g", POOL, "Slots of a pool whose tasks run."),
    Stat("triggers.running", "g", (), "Triggers that wait."),
    Stat("triggers.failed", "c", (), "Triggers that failed."),
    Stat("triggers.blocked_main_thread", "c", (), "Times that a trigger blocked the others."),
    Stat("dag_processing.import_errors", "g", (), "DAG files that cannot be imported."),
    Stat("dag_processing.total_parse_time", "g", (), "Seconds that all DAG files took to import."),
    Stat("deadline_alerts.deadline_missed", "c", DAG, "Runs that missed their deadline."),
    Stat("celery.task_timeout_error", "c", (), "Tasks that could not be handed to Celery in time."),
)
