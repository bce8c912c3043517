-- A row: an alert of a rule that fires on a bar, without that bar. Landing lost the bar, or the alert's time is wrong.
-- Silence, bad data, news, moves of the market and broken logs fire without one.
with alerts as (

    select * from {{ ref('fact_alerts') }}
    where
        rule not in ('feed_freshness', 'data_quality', 'news_impact', 'market_event', 'log_break')
        and {{ recent(ref('fact_alerts')) }}
        and landed_at < {{ newest_landed(ref('fact_intraday_metrics'), var('settle_minutes')) }}

),

bars as (

    select * from {{ ref('fact_intraday_metrics') }}
    where bar_start_at >= (select min(alerts.bar_start_at) from alerts)

)

select
    alerts.alert_id,
    alerts.bar_id,
    alerts.landed_at
from alerts
left join bars on alerts.bar_id = bars.bar_id
where bars.bar_id is null
