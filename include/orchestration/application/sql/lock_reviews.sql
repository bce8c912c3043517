select
    reviews.alert_id, alerts.severity, reviews.state, reviews.owner, reviews.reason, reviews.closed_by,
    reviews.signed_by, reviews.version
from reviews
inner join alerts on reviews.alert_id = alerts.alert_id
where reviews.alert_id = any(%(alert_ids)s)
order by reviews.alert_id
for update of reviews
