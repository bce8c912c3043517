with alerts as (

    select
        *,
        status <> 'retracted' as stands,
        -- the age of a backfilled bar says nothing about the platform
        iff(is_live, close_to_alert_seconds, null) as live_seconds
    from {{ ref('fact_alerts') }}
    where session_date is not null

)

select
    rule,
    session_date,
    count_if(stands) as alerts,
    count_if(not stands) as retracted_alerts,
    count_if(stands and form = 'robust') as robust_alerts,
    count_if(stands and severity in ('high', 'critical')) as severe_alerts,
    count(distinct iff(stands, symbol, null)) as symbols,
    round(avg(iff(stands, score, null)), 1) as mean_score,
    max(iff(stands, score, null)) as highest_score,
    count_if(is_live) as live_alerts,
    percentile_cont(0.5) within group (order by live_seconds) as close_to_alert_seconds_p50,
    percentile_cont(0.95) within group (order by live_seconds) as close_to_alert_seconds_p95
from alerts
group by rule, session_date
