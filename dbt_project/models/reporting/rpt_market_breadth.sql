{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

with bars as (

    select
        session_date,
        bar_start_at,
        count(*) as symbols,
        count_if(log_return > 0) as advancers,
        count_if(log_return < 0) as decliners,
        sum(iff(log_return > 0, volume, 0))::float as advancing_volume,
        sum(iff(log_return < 0, volume, 0))::float as declining_volume,
        count_if(rvol is not null) as profiled_symbols,
        count_if(rvol > 2) as busy_symbols,
        max(landed_at) as landed_at
    from {{ ref('fact_intraday_metrics') }}
    where
        timespan = 'minute' and session_date is not null
        {% if is_incremental() %}
            and session_date in ({{ touched_sessions() }})
        {% endif %}
    group by session_date, bar_start_at

),

alerts as (

    select
        session_date,
        bar_start_at,
        count(distinct iff(rule <> 'market_event', symbol, null)) as alerting_symbols,
        count_if(rule = 'market_event') as market_events
    from {{ ref('fact_alerts') }}
    where
        kind = 'market' and timespan = 'minute' and status <> 'retracted'
        and session_date in (select bars.session_date from bars)
    group by session_date, bar_start_at

)

select
    bars.session_date,
    bars.bar_start_at,
    bars.symbols,
    bars.advancers,
    bars.decliners,
    bars.advancing_volume,
    bars.declining_volume,
    bars.profiled_symbols,
    bars.busy_symbols,
    coalesce(alerts.alerting_symbols, 0) as alerting_symbols,
    coalesce(alerts.market_events, 0) as market_events,
    bars.landed_at
from bars
left join alerts on bars.session_date = alerts.session_date and bars.bar_start_at = alerts.bar_start_at
