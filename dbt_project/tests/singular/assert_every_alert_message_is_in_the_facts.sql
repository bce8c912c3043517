-- A row: a message of an alert that landed a while ago and is not in the audit trail, or its alert not in the fact.
select
    messages.message_id,
    messages.alert_id,
    messages.landed_at
from {{ ref('stg_alerts') }} as messages
left join {{ ref('fact_alert_events') }} as events on messages.message_id = events.message_id
left join {{ ref('fact_alerts') }} as facts on messages.alert_id = facts.alert_id
where
    (events.message_id is null or facts.alert_id is null)
    and {{ recent(ref('fact_alert_events'), 'messages.') }}
    and messages.landed_at < {{ newest_landed(ref('fact_alert_events'), var('settle_minutes')) }}
