with alerts as (

    select
        *,
        -- the age of a backfilled or corrected bar says nothing about the platform
        iff(is_live and status in ('fired', 'refired'), close_to_alert_seconds, null) as live_seconds
    from {{ ref('fact_alerts') }}
    where status <> 'retracted'

)

select
    rule,
    session_date,
    count(*) as alerts,
    count_if(form = 'robust') as robust_alerts,
    count_if(severity in ('high', 'critical')) as severe_alerts,
    count(distinct symbol) as symbols,
    round(avg(score), 1) as mean_score,
    max(score) as highest_score,
    count_if(is_live) as live_alerts,
    percentile_cont(0.5) within group (order by live_seconds) as close_to_alert_seconds_p50,
    percentile_cont(0.95) within group (order by live_seconds) as close_to_alert_seconds_p95
from alerts
group by rule, session_date
