{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        full_refresh=false,
        transient=false
    )
}}

{#- A table that an earlier version has built knows minute bars only: it is made anew, as far as RAW has the polls. -#}
{%- set continues = is_incremental() and not lacks_column(this, 'timespan') -%}
{#- What a minute counts as, and so many seconds after its bar's close it has to be asked for; at any time without. -#}
{%- set within = {
    'polled_minutes': none, 'minutes_in_time': var('polled_in_time_seconds'), 'minutes_within_5m': 300,
    'minutes_within_1h': 3600
} -%}
{%- set length_ms = {'minute': 60000, '5minute': 300000, 'hour': 3600000} -%}
{%- set is_counted -%}
    polls.timespan in ('{{ length_ms | join("', '") }}')
    and dateadd('day', {{ var('coverage_days') }}, sessions.close_at) > polls.polled_at
{%- endset -%}

-- A poll asks for a span of time, and its watermark says which: the minutes of all spans, each counted once; in time,
-- those of bars that had just closed. Minute bars of a symbol that was asked about in any way in the week before the
-- close are expected, so that silence of a feed is no excuse; longer bars where they were asked for in that week.
with sessions as (

    select
        session_date,
        open_at,
        close_at
    from {{ ref('dim_market_sessions') }}
    where
        close_at <= {{ build_started_at() }}
        -- what lands a month late changes no session any more
        and close_at >= {{ newest_landed(this, 30 * 1440) if continues else "'1970-01-01'::timestamp_ntz" }}

),

chosen as (

    {% if continues %}
        select sessions.*
        from sessions
        where
            sessions.close_at > (
                select coalesce(max(known.close_at), '1970-01-01'::timestamp_ntz) from {{ this }} as known
            )
        union distinct
        select sessions.*
        from sessions
        inner join {{ ref('stg_watermarks') }} as polls
            on
                sessions.open_at < polls.asked_until_at
                and sessions.close_at > polls.asked_from_at
                and {{ is_counted }}
        where polls.landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
        union distinct
        select sessions.*
        from sessions
        inner join {{ ref('int_instruments') }} as instruments
            on
                sessions.close_at >= instruments.polled_at
                and dateadd('day', -7, sessions.close_at) < instruments.polled_at
        where instruments.landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
    {% else %}
        select * from sessions
    {% endif %}

),

spans as (

    select
        sessions.session_date,
        polls.symbol,
        polls.timespan,
        case polls.timespan
            {% for span, ms in length_ms.items() %}
                when '{{ span }}' then {{ ms }}
            {% endfor %}
        end as length_ms,
        greatest(polls.asked_from_at, sessions.open_at) as from_at,
        least(polls.asked_until_at, sessions.close_at) as until_at,
        polls.rejected_bars,
        polls.polled_at,
        polls.landed_at
    from chosen as sessions
    inner join {{ ref('stg_watermarks') }} as polls
        on
            sessions.open_at < polls.asked_until_at
            and sessions.close_at > polls.asked_from_at
            and {{ is_counted }}
    -- what is asked for in a session lands after its beginning
    where polls.landed_at >= (select min(chosen.open_at) from chosen)

),

asked as (

    select
        symbol,
        timespan,
        polled_at as asked_at
    from spans
    union distinct
    select
        symbol,
        'minute' as timespan,
        polled_at
    from {{ ref('int_instruments') }}
    where polled_at > (select dateadd('day', -7, min(chosen.close_at)) from chosen)
    {% if continues %}
        union distinct
        select
            symbol,
            timespan,
            last_asked_at
        from {{ this }}
        where
            session_date not in (select chosen.session_date from chosen)
            and last_asked_at > (select dateadd('day', -7, min(chosen.close_at)) from chosen)
    {% endif %}

),

expected as (

    select
        chosen.session_date,
        chosen.open_at,
        chosen.close_at,
        asked.symbol,
        asked.timespan,
        max(asked.asked_at) as last_asked_at
    from chosen
    inner join asked
        on chosen.close_at >= asked.asked_at and dateadd('day', -7, chosen.close_at) < asked.asked_at
    group by chosen.session_date, chosen.open_at, chosen.close_at, asked.symbol, asked.timespan

),

limits as (

    {% for count, seconds in within.items() %}
        {{ 'union all' if not loop.first }}
        select
            '{{ count }}' as counted,
            {{ 'null::int' if seconds is none else seconds * 1000 }} as limit_ms
    {% endfor %}

),

-- the first bar that is young enough: a poll asks for older ones again
clipped as (

    select
        spans.* exclude (from_at),
        limits.counted,
        greatest(
            spans.from_at,
            coalesce(
                to_timestamp_ntz(
                    ceil(
                        (date_part(epoch_millisecond, spans.polled_at) - limits.limit_ms - spans.length_ms)
                        / spans.length_ms
                    )::int * spans.length_ms,
                    3
                ),
                spans.from_at
            )
        ) as from_at
    from spans
    cross join limits

),

ordered as (

    select
        *,
        max(until_at) over (
            partition by session_date, symbol, timespan, counted order by from_at, until_at
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from clipped
    where from_at < until_at

),

measured as (

    select
        *,
        greatest(0, datediff('millisecond', greatest(from_at, coalesce(covered_until, from_at)), until_at)) as new_ms
    from ordered

),

covered as (

    select
        session_date,
        symbol,
        timespan,
        count_if(counted = 'polled_minutes') as polls,
        sum(iff(counted = 'polled_minutes', rejected_bars, 0)) as rejected_bars,
        {% for count in within %}
            floor(sum(iff(counted = '{{ count }}', new_ms, 0)) / 60000) as {{ count }},
        {% endfor %}
        max(landed_at) as landed_at
    from measured
    group by session_date, symbol, timespan

)

select
    expected.session_date,
    expected.symbol,
    expected.timespan,
    expected.open_at,
    expected.close_at,
    datediff('minute', expected.open_at, expected.close_at) as expected_minutes,
    {% for count in within %}
        coalesce(covered.{{ count }}, 0)::int as {{ count }},
    {% endfor %}
    coalesce(covered.polls, 0) as polls,
    coalesce(covered.rejected_bars, 0)::int as rejected_bars,
    expected.last_asked_at,
    greatest(expected.close_at, coalesce(covered.landed_at, expected.close_at)) as landed_at
from expected
left join covered
    on
        expected.session_date = covered.session_date
        and expected.symbol = covered.symbol
        and expected.timespan = covered.timespan
