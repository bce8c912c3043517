select record::text
from alerts
where incident = any(%(incidents)s) and record is not null
order by bar_at asc, alert_id asc
