update alerts
set notification = %(notification)s, notified_at = now()
where alert_id = any(%(alert_ids)s)
