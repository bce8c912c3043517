-- Of each stage the newest run, one look at the index for each.
with recursive stages as (
    (select stage from batches order by stage limit 1)
    union all
    select (select batches.stage from batches where batches.stage > stages.stage order by batches.stage limit 1)
    from stages
    where stages.stage is not null
)

select newest.*
from stages
cross join lateral (
    select stage, dag_id, run_id, started_at, ended_at, tasks, failed, records, alerts, rows
    from batches
    where batches.stage = stages.stage
    order by ended_at desc
    limit 1
) as newest
order by newest.stage
