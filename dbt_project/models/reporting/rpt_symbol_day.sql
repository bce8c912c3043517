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
        symbol,
        session_date,
        count(*) as bars,
        sum(volume)::number(38, 8) as volume,
        min_by(open, bar_start_at) as open,
        max(high) as high,
        min(low) as low,
        max_by(close, bar_start_at) as close,
        max(landed_at) as landed_at
    from {{ ref('fact_intraday_metrics') }}
    where
        timespan = 'minute' and session_date is not null
        {% if is_incremental() %}
            and session_date in ({{ touched_sessions() }})
        {% endif %}
    group by symbol, session_date

),

alerts as (

    select
        symbol,
        session_date,
        count_if(status <> 'retracted') as alerts,
        max(iff(status <> 'retracted', score, null)) as highest_score,
        max(landed_at) as landed_at
    from {{ ref('fact_alerts') }}
    where
        session_date is not null
        {% if is_incremental() %}
            and session_date in ({{ touched_sessions() }})
        {% endif %}
    group by symbol, session_date

)

select
    coalesce(bars.symbol, alerts.symbol) as symbol,
    coalesce(bars.session_date, alerts.session_date) as session_date,
    coalesce(bars.bars, 0) as bars,
    coalesce(bars.volume, 0)::number(38, 8) as volume,
    bars.open,
    bars.high,
    bars.low,
    bars.close,
    coalesce(alerts.alerts, 0) as alerts,
    alerts.highest_score,
    greatest(coalesce(bars.landed_at, alerts.landed_at), coalesce(alerts.landed_at, bars.landed_at)) as landed_at
from bars
full outer join alerts on bars.symbol = alerts.symbol and bars.session_date = alerts.session_date
