select coalesce(reviews.state, 'open') as state, alerts.severity, count(*) as alerts
from alerts
left join reviews on alerts.alert_id = reviews.alert_id
where alerts.source = 'live' and alerts.kind = %(kind)s and alerts.incident is null and alerts.bar_at >= %(since)s
group by 1, 2
order by 1, 2
