-- A row: an alert that landed a while ago and has no instrument version or no session. It would be in no report.
select
    alerts.alert_id,
    alerts.symbol,
    alerts.session_date,
    alerts.landed_at
from {{ ref('stg_alerts') }} as alerts
left join {{ ref('fact_alerts') }} as facts on alerts.alert_id = facts.alert_id
where
    facts.alert_id is null
    and alerts.landed_at < {{ newest_landed(ref('stg_alerts'), var('settle_minutes')) }}
