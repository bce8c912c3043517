update alerts
set
    notification = %(notification)s,
    notified_at = now(),
    told_status = %(status)s,
    told_severity = severity,
    inhibited_by = coalesce(%(inhibited_by)s, inhibited_by)
where alert_id = any(%(alert_ids)s)
