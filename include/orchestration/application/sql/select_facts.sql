-- The live alerts of the sessions from one date to another, and what has become of each. What is of no session, such as
-- a log that was lost, belongs to the time of those.
with escalated as (
    select distinct unnest(alerts) as alert_id
    from cases
)

select
    alerts.alert_id, alerts.kind, alerts.rule, alerts.form, alerts.symbol, alerts.tag, alerts.severity,
    alerts.session_date, alerts.bar_at, alerts.first_seen_at, alerts.status, alerts.value,
    case when alerts.rule = 'market_event' then alerts.explanation end as event,
    alerts.score,
    alerts.record ->> 'rarity_sessions' is not null as is_rare,
    alerts.record ->> 'parameters_version' as parameters_version,
    alerts.notification,
    alerts.incident is not null as is_folded,
    coalesce(reviews.state, 'open') as state,
    reviews.reason,
    closings.decided_at,
    case when reviews.version > 0 then reviews.changed_at end as changed_at,
    escalated.alert_id is not null as is_escalated
from alerts
left join reviews on alerts.alert_id = reviews.alert_id
left join lateral (
    select min(audit_log.occurred_at) as decided_at
    from audit_log
    where
        audit_log.object_kind = 'alert' and audit_log.object_id = reviews.alert_id and audit_log.event = 'close'
) as closings on true
left join escalated on alerts.alert_id = escalated.alert_id
where
    alerts.source = 'live'
    and (
        (alerts.session_date >= %(first)s and alerts.session_date <= %(last)s)
        or (alerts.session_date = '' and alerts.bar_at >= %(since)s and alerts.bar_at < %(until)s)
    )
order by alerts.alert_id
limit %(limit)s
