-- In Airflow's own table log: what people did, by API, page or command line. The rest is what tasks and the scheduler
-- note by themselves, a thousand times as much.
select
    id as log_id, dttm as occurred_at, event, dag_id, run_id, task_id, map_index,
    extra as details, coalesce(owner, owner_display_name) as actor
from log
where dttm >= %(since)s and (owner_display_name is not null or event like 'cli\_%%')
order by id
