insert into batches (
    dag_id, run_id, stage, interval_end, started_at, ended_at, tasks, failed,
    records, bars, metrics, alerts, late, rejected, rows
) values (
    %(dag_id)s, %(run_id)s, %(stage)s, %(interval_end)s, %(started_at)s, %(ended_at)s, %(tasks)s, %(failed)s,
    %(records)s, %(bars)s, %(metrics)s, %(alerts)s, %(late)s, %(rejected)s, %(rows)s
)
-- A run that was cleared in part is accounted for again.
on conflict (dag_id, run_id) do update set
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    tasks = excluded.tasks,
    failed = excluded.failed,
    records = excluded.records,
    bars = excluded.bars,
    metrics = excluded.metrics,
    alerts = excluded.alerts,
    late = excluded.late,
    rejected = excluded.rejected,
    rows = excluded.rows
