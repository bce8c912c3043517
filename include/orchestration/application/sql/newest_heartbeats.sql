-- In Airflow's own table job: who says that it works, and for how many seconds it has not. Of several of a kind one is
-- enough.
select job_type, extract(epoch from min(now() - latest_heartbeat))::double precision as silent_seconds
from job
where state = 'running'
group by job_type
