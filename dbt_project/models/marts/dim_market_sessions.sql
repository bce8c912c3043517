{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

{#- Of sessions that the calendar tells of no more it is known what it has told. -#}
{%- set remembers = is_incremental() and not lacks_column(this, 'close_at') -%}

-- From the facts, which stay when old bars and their metrics have left RAW. Only sessions that something landed for, or
-- that the calendar tells otherwise of, are counted again.
with calendar as (

    {{ market_calendar() }}

),

scheduled as (

    select * from calendar
    {% if remembers %}
        union all
        select
            session_date,
            open_at,
            close_at
        from {{ this }}
        where open_at is not null and session_date not in (select calendar.session_date from calendar)
    {% endif %}

),

chosen as (

    {% if is_incremental() %}
        {{ touched_sessions() }}
        union distinct
        select calendar.session_date
        from calendar
        {% if remembers %}
            left join {{ this }} as known
                on
                    calendar.session_date = known.session_date
                    and calendar.open_at = known.open_at
                    and calendar.close_at = known.close_at
            where known.session_date is null
        {% endif %}
    {% else %}
        select session_date from {{ ref('fact_intraday_metrics') }}
        union distinct
        -- silence raises alerts too, in sessions that have no bar
        select session_date from {{ ref('fact_alerts') }}
        union distinct
        select session_date from calendar
    {% endif %}

),

bars as (

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
    where session_date in (select chosen.session_date from chosen)
    group by session_date

),

alerts as (

    select
        session_date,
        max(landed_at) as landed_at
    from {{ ref('fact_alerts') }}
    where session_date in (select chosen.session_date from chosen)
    group by session_date

)

select
    chosen.session_date,
    scheduled.open_at,
    scheduled.close_at,
    bars.first_bar_at,
    bars.last_bar_at,
    coalesce(bars.minute_bars, 0) as minute_bars,
    coalesce(bars.regular_minute_bars, 0) as regular_minute_bars,
    coalesce(bars.symbols, 0) as symbols,
    coalesce(bars.is_regular, false) as is_regular,
    coalesce(
        greatest(coalesce(bars.landed_at, alerts.landed_at), coalesce(alerts.landed_at, bars.landed_at)),
        scheduled.open_at
    ) as landed_at
from chosen
left join bars on chosen.session_date = bars.session_date
left join alerts on chosen.session_date = alerts.session_date
left join scheduled on chosen.session_date = scheduled.session_date
where chosen.session_date is not null
