{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

{#- One that an earlier version has built lacks the measures. -#}
{%- set continues = is_incremental() and not lacks_column(this, 'turnover') -%}

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
        sum(volume * coalesce(vwap, close))::float as turnover,
        max(gap) as gap,
        -- a session's first return is its gap
        sqrt(sum(iff(
            gap is null and session_phase in ('opening_auction', 'regular', 'closing_auction'), square(log_return), null
        ))) as realised_volatility,
        max(rvol) as highest_rvol,
        max(landed_at) as landed_at
    from {{ ref('fact_intraday_metrics') }}
    where
        timespan = 'minute' and session_date is not null
        {% if continues %}
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
        {% if continues %}
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
    bars.turnover,
    bars.gap,
    bars.realised_volatility,
    bars.highest_rvol,
    coalesce(alerts.alerts, 0) as alerts,
    alerts.highest_score,
    greatest(coalesce(bars.landed_at, alerts.landed_at), coalesce(alerts.landed_at, bars.landed_at)) as landed_at
from bars
full outer join alerts on bars.symbol = alerts.symbol and bars.session_date = alerts.session_date
