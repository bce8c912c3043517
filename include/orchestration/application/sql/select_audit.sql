select
    audit_id, occurred_at, exported_at, event, previous_hash, hash, log_id, actor, dag_id, run_id, task_id, map_index,
    details, object_kind, object_id, before::text, after::text
from audit_log
order by audit_id
