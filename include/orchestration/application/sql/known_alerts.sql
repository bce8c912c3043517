select alert_id from alerts
where alert_id = any(%(alert_ids)s)
