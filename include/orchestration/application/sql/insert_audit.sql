insert into audit_log (log_id, occurred_at, event, actor, dag_id, run_id, task_id, map_index, details)
select log_id, occurred_at, event, actor, dag_id, run_id, task_id, map_index, details
from json_populate_recordset(null::audit_log, %(acts)s::json)
order by log_id
on conflict (log_id, occurred_at) do nothing
