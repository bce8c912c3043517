{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

{%- set counts = ['expected_minutes', 'minutes_in_time', 'minutes_within_5m', 'minutes_within_1h', 'polled_minutes'] -%}

-- How old a bar was when it was asked for, of all symbols together, and what was wrong with the answers.
with polls as (

    select * from {{ ref('fact_polled_minutes') }}
    {% if is_incremental() %}
        where
            session_date in (
                {{ sessions_touched_in(ref('fact_polled_minutes')) }}
                union distinct
                {{ sessions_touched_in(ref('rpt_corrections')) }}
            )
    {% endif %}

),

feeds as (

    select
        session_date,
        timespan,
        count(*) as symbols,
        count_if(minutes_in_time = expected_minutes) as symbols_in_time,
        {% for count in counts %}
            sum({{ count }})::int as {{ count }},
        {% endfor %}
        sum(rejected_bars)::int as rejected_bars,
        max(landed_at) as landed_at
    from polls
    group by session_date, timespan

),

corrections as (

    select
        session_date,
        timespan,
        sum(corrected_bars)::int as corrected_bars,
        sum(corrections)::int as corrections,
        max(landed_at) as landed_at
    from {{ ref('rpt_corrections') }}
    where session_date in (select feeds.session_date from feeds)
    group by session_date, timespan

)

select
    feeds.session_date,
    feeds.timespan,
    feeds.symbols,
    feeds.symbols_in_time,
    feeds.expected_minutes,
    feeds.minutes_in_time,
    feeds.minutes_within_5m - feeds.minutes_in_time as minutes_late_5m,
    feeds.minutes_within_1h - feeds.minutes_within_5m as minutes_late_1h,
    feeds.polled_minutes - feeds.minutes_within_1h as minutes_later,
    feeds.expected_minutes - feeds.polled_minutes as not_polled_minutes,
    feeds.minutes_in_time / nullif(feeds.expected_minutes, 0)::float as in_time_share,
    feeds.rejected_bars,
    coalesce(corrections.corrected_bars, 0) as corrected_bars,
    coalesce(corrections.corrections, 0) as corrections,
    greatest(feeds.landed_at, coalesce(corrections.landed_at, feeds.landed_at)) as landed_at
from feeds
left join corrections on feeds.session_date = corrections.session_date and feeds.timespan = corrections.timespan
