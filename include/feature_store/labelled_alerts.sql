-- Alerts that people have judged, with the last word on each. An alert and what was measured at its bar become visible
-- together, but are stamped one after the other: hence the second.
with labels as (

    select
        alert_id,
        disposition
    from analytics.fact_alert_dispositions
    where disposition is not null
    qualify row_number() over (partition by alert_id order by occurred_at desc, review_version desc) = 1

)

select
    alerts.alert_id as "alert_id",
    alerts.rule as "rule",
    alerts.symbol as "symbol",
    alerts.timespan as "timespan",
    labels.disposition as "label",
    dateadd('second', 1, alerts.alerted_at) as "event_timestamp"
from analytics.fact_alerts as alerts
inner join labels on alerts.alert_id = labels.alert_id
where alerts.kind = 'market' and alerts.alerted_at is not null
