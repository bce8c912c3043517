-- Of each stage the newest run.
select distinct on (stage)
    stage, dag_id, run_id, started_at, ended_at, tasks, failed, records, alerts, rows
from batches
order by stage asc, ended_at desc
