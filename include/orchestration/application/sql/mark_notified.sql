update alerts
set
    notification = %(notification)s,
    notified_at = now(),
    told_status = coalesce(%(status)s, told_status),
    told_severity = case when %(status)s::text is null then told_severity else severity end,
    inhibited_by = coalesce(%(inhibited_by)s, inhibited_by)
where alert_id = any(%(alert_ids)s)
