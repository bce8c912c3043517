-- What of one alert the queue does not say.
select
    alerts.record, alerts.notified_at, alerts.told_status, alerts.told_severity, alerts.incident,
    alerts.profile_version, alerts.before_value, alerts.before_threshold, alerts.bar_closed_at, alerts.polled_at,
    alerts.appended_at, alerts.detected_at, alerts.published_at, alerts.first_seen_at, alerts.last_seen_at,
    encode(evidence.sha256, 'hex') as sha256, evidence.kept_at,
    case
        when
            alerts.notification = 'outbox' and not exists (
                select from outbox
                where outbox.subject = alerts.alert_id and outbox.kind = 'alert'
            )
            then 'no message is there: below the severity of every channel, or deleted for its age'
        else alerts.notification
    end as notification,
    (
        select
            coalesce(
                json_agg(
                    json_build_object(
                        'channel', outbox.channel, 'status', outbox.status, 'severity', outbox.severity,
                        'known_at', outbox.known_at, 'sent_at', outbox.sent_at, 'outcome', outbox.outcome
                    ) order by outbox.outbox_id
                ), '[]'
            )
        from outbox
        where outbox.subject = alerts.alert_id and outbox.kind = 'alert'
    ) as told,
    (
        select
            coalesce(
                json_agg(
                    json_build_object('case_id', cases.case_id, 'title', cases.title, 'status', cases.status)
                    order by cases.case_id
                ), '[]'
            )
        from cases
        where cases.alerts @> array[alerts.alert_id]
    ) as cases
from alerts
left join evidence on alerts.alert_id = evidence.alert_id
where alerts.alert_id = %(alert_id)s
