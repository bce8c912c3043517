select reviews.reason, count(*) as alerts
from alerts
inner join reviews on alerts.alert_id = reviews.alert_id
where
    alerts.symbol = %(symbol)s and alerts.rule = %(rule)s and alerts.closed and alerts.alert_id <> %(alert_id)s
group by reviews.reason
order by alerts desc, reviews.reason asc
