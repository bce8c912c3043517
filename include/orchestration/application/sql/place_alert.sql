-- Where an alert lies in the log.
select alert_id, symbol, timespan, (extract(epoch from bar_at) * 1000)::bigint as ts_ms
from alerts
where alert_id = %(alert_id)s
