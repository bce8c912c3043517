-- Live alerts around which everything is there by now, and of which nothing has been kept.
select alerts.alert_id, alerts.symbol, alerts.timespan, (extract(epoch from alerts.bar_at) * 1000)::bigint as ts_ms
from alerts
inner join json_to_recordset(%(waits)s::json) as wait (timespan text, seconds double precision)
    on alerts.timespan = wait.timespan
where
    alerts.source = 'live' and alerts.bar_at >= %(since)s
    and alerts.bar_at + make_interval(secs => wait.seconds) <= %(now)s
    and not exists (
        select from evidence
        where evidence.alert_id = alerts.alert_id
    )
order by alerts.bar_at, alerts.alert_id
limit %(limit)s
