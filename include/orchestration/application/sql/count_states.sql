-- An index alone tells how many are closed and how many are not; of these only what somebody is at is looked up.
with live as (
    select closed, severity, count(*) as alerts
    from alerts
    where source = 'live' and kind = %(kind)s and incident is null and bar_at >= %(since)s
    group by closed, severity
),

begun as (
    select reviews.state, alerts.severity, count(*) as alerts
    from reviews
    inner join alerts on reviews.alert_id = alerts.alert_id
    where
        reviews.state in ('in review', 'to sign')
        and alerts.source = 'live' and alerts.kind = %(kind)s and alerts.incident is null and alerts.bar_at >= %(since)s
    group by reviews.state, alerts.severity
),

counted as (
    select 'closed' as state, severity, alerts
    from live
    where closed
    union all
    select state, severity, alerts
    from begun
    union all
    select
        'open' as state, severity,
        alerts - (
            select coalesce(sum(begun.alerts), 0)
            from begun
            where begun.severity = live.severity
        )::bigint
    from live
    where not closed
)

select state, severity, alerts
from counted
where alerts > 0
order by state, severity
