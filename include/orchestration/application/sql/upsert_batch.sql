insert into batches
select * from json_populate_record(null::batches, %(row)s::json)
-- A run that was cleared in part is accounted for again.
on conflict (dag_id, run_id) do update
    set
        (
            started_at, ended_at, tasks, failed, records, bars, metrics, alerts, late, rejected, rows
        ) = (
            excluded.started_at, excluded.ended_at, excluded.tasks, excluded.failed, excluded.records, excluded.bars,
            excluded.metrics, excluded.alerts, excluded.late, excluded.rejected, excluded.rows
        )
