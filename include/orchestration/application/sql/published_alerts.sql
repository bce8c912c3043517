select alert_id, record::text, (extract(epoch from published_at) * 1000)::bigint
from alerts
where alert_id = any(%(alert_ids)s) and published_at is not null and record is not null
