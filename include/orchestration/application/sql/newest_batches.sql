-- Of each stage the newest run, one look at the index for each.
with recursive stages as (
    (
        select stage from batches
        order by stage limit 1
    )
    union all
    select (
        select batches.stage from batches
        where batches.stage > stages.stage
        order by batches.stage limit 1
    )
    from stages
    where stages.stage is not null
)

select newest.*
from stages
cross join
    lateral (
        select
            batches.stage, batches.dag_id, batches.run_id, batches.started_at, batches.ended_at, batches.tasks,
            batches.failed, batches.records, batches.alerts, batches.rows
        from batches
        where batches.stage = stages.stage
        order by batches.ended_at desc
        limit 1
    ) as newest
order by newest.stage
