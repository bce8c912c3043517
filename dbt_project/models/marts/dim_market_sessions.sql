{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

-- From the facts, which stay when old bars and their metrics have left RAW. Only sessions that something landed for are
-- counted again.
with bars as (

    select
        session_date,
        min(iff(timespan <> 'day', bar_start_at, null)) as first_bar_at,
        max(iff(timespan <> 'day', bar_start_at, null)) as last_bar_at,
        count_if(timespan = 'minute') as minute_bars,
        count_if(timespan = 'minute' and session_phase in ('opening_auction', 'regular')) as regular_minute_bars,
        count_if(session_phase in ('opening_auction', 'regular')) > 0 as is_regular,
        count(distinct symbol) as symbols,
        max(landed_at) as landed_at
    from {{ ref('fact_intraday_metrics') }}
    where
        session_date is not null
        {% if is_incremental() %}
            and session_date in ({{ touched_sessions() }})
        {% endif %}
    group by session_date

),

-- silence raises alerts too, in sessions that have no bar
alerts as (

    select
        session_date,
        max(landed_at) as landed_at
    from {{ ref('fact_alerts') }}
    where
        session_date is not null
        {% if is_incremental() %}
            and session_date in ({{ touched_sessions() }})
        {% endif %}
    group by session_date

)

select
    coalesce(bars.session_date, alerts.session_date) as session_date,
    bars.first_bar_at,
    bars.last_bar_at,
    coalesce(bars.minute_bars, 0) as minute_bars,
    coalesce(bars.regular_minute_bars, 0) as regular_minute_bars,
    coalesce(bars.symbols, 0) as symbols,
    coalesce(bars.is_regular, false) as is_regular,
    greatest(coalesce(bars.landed_at, alerts.landed_at), coalesce(alerts.landed_at, bars.landed_at)) as landed_at
from bars
full outer join alerts on bars.session_date = alerts.session_date
