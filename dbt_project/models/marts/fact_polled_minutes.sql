{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        full_refresh=false,
        transient=false
    )
}}

{%- set is_in_time = 'dateadd(\'day\', ' ~ var('coverage_days') ~ ', sessions.close_at) > polls.polled_at' -%}

-- A poll asks for a span of time, and its watermark says which: the minutes of all spans, each counted once. A symbol
-- that was asked about in any way in the week before the close is expected, so that silence of a feed is no excuse.
with sessions as (

    select
        session_date,
        open_at,
        close_at
    from {{ ref('dim_market_sessions') }}
    where
        close_at <= {{ build_started_at() }}
        -- what lands a month late changes no session any more
        and close_at >= {{ newest_landed(this, 30 * 1440) if is_incremental() else "'1970-01-01'::timestamp_ntz" }}

),

polls as (

    select * from {{ ref('stg_watermarks') }}
    where timespan = 'minute'

),

instruments as (

    select
        symbol,
        polled_at,
        landed_at
    from {{ ref('int_instruments') }}

),

chosen as (

    {% if is_incremental() %}
        select sessions.*
        from sessions
        where
            sessions.close_at > (
                select coalesce(max(known.close_at), '1970-01-01'::timestamp_ntz) from {{ this }} as known
            )
        union distinct
        select sessions.*
        from sessions
        inner join polls
            on
                sessions.open_at < polls.asked_until_at
                and sessions.close_at > polls.asked_from_at
                and {{ is_in_time }}
        where polls.landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
        union distinct
        select sessions.*
        from sessions
        inner join instruments
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
        greatest(polls.asked_from_at, sessions.open_at) as from_at,
        least(polls.asked_until_at, sessions.close_at) as until_at,
        polls.rejected_bars,
        polls.polled_at,
        polls.landed_at
    from chosen as sessions
    inner join polls
        on
            sessions.open_at < polls.asked_until_at
            and sessions.close_at > polls.asked_from_at
            and {{ is_in_time }}
    -- what is asked for in a session lands after its beginning
    where polls.landed_at >= (select min(chosen.open_at) from chosen)

),

asked as (

    select
        symbol,
        polled_at as asked_at
    from spans
    union distinct
    select
        symbol,
        polled_at
    from instruments
    {% if is_incremental() %}
        union distinct
        select
            symbol,
            last_asked_at
        from {{ this }}
        where session_date not in (select chosen.session_date from chosen)
    {% endif %}

),

expected as (

    select
        chosen.session_date,
        chosen.open_at,
        chosen.close_at,
        asked.symbol,
        max(asked.asked_at) as last_asked_at
    from chosen
    inner join asked
        on chosen.close_at >= asked.asked_at and dateadd('day', -7, chosen.close_at) < asked.asked_at
    group by chosen.session_date, chosen.open_at, chosen.close_at, asked.symbol

),

ordered as (

    select
        *,
        max(until_at) over (
            partition by session_date, symbol order by from_at, until_at
            rows between unbounded preceding and 1 preceding
        ) as covered_until
    from spans

),

covered as (

    select
        session_date,
        symbol,
        count(*) as polls,
        sum(rejected_bars) as rejected_bars,
        floor(
            sum(greatest(0, datediff('millisecond', greatest(from_at, coalesce(covered_until, from_at)), until_at)))
            / 60000
        ) as polled_minutes,
        max(landed_at) as landed_at
    from ordered
    group by session_date, symbol

)

select
    expected.session_date,
    expected.symbol,
    expected.open_at,
    expected.close_at,
    datediff('minute', expected.open_at, expected.close_at) as expected_minutes,
    coalesce(covered.polled_minutes, 0)::int as polled_minutes,
    coalesce(covered.polls, 0) as polls,
    coalesce(covered.rejected_bars, 0)::int as rejected_bars,
    expected.last_asked_at,
    greatest(expected.close_at, coalesce(covered.landed_at, expected.close_at)) as landed_at
from expected
left join covered on expected.session_date = covered.session_date and expected.symbol = covered.symbol
