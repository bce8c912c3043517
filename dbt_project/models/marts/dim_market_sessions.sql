-- From the fact, which stays when old bars and their metrics have left RAW.
with bars as (

    select
        session_date,
        min(iff(timespan <> 'day', bar_start_at, null)) as first_bar_at,
        max(iff(timespan <> 'day', bar_start_at, null)) as last_bar_at,
        count_if(timespan = 'minute') as minute_bars,
        count_if(timespan = 'minute' and session_phase in ('opening_auction', 'regular')) as regular_minute_bars,
        count_if(session_phase in ('opening_auction', 'regular')) > 0 as is_regular,
        count(distinct symbol) as symbols
    from {{ ref('fact_intraday_metrics') }}
    group by session_date

),

-- silence raises alerts too, in sessions that have no bar
seen as (

    select session_date from bars
    union distinct
    select session_date from {{ ref('stg_alerts') }}

)

select
    seen.session_date,
    bars.first_bar_at,
    bars.last_bar_at,
    coalesce(bars.minute_bars, 0) as minute_bars,
    coalesce(bars.regular_minute_bars, 0) as regular_minute_bars,
    coalesce(bars.symbols, 0) as symbols,
    coalesce(bars.is_regular, false) as is_regular
from seen
left join bars on seen.session_date = bars.session_date
where seen.session_date is not null
