-- What people were told before stays as it is, until they are told of it again.
update alerts
set notification = 'not sent: ' || %(reason)s, notified_at = now()
where alert_id = any(%(alert_ids)s) and told_status is null
