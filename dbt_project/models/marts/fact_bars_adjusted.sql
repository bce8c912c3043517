{{ config(materialized='view') }}

-- A bar before a split is in other shares than one after it: here all are in those of the newest session. Dividends
-- stay in the prices and are told beside them. What is only announced changes nothing yet.
with actions as (

    select
        symbol,
        action_date,
        sum(iff(action = 'split' and split_from > 0 and split_to > 0, ln(split_from / split_to), 0)) as split_log,
        sum(iff(action = 'dividend', cash_amount, 0)) as cash
    from {{ ref('fact_corporate_actions') }}
    where
        action in ('split', 'dividend')
        and not is_withdrawn
        and action_date <= (select max(sessions.session_date) from {{ ref('dim_market_sessions') }} as sessions)
    group by symbol, action_date

),

-- cash is that of a share of its own day
converted as (

    select
        symbol,
        action_date,
        split_log,
        cash * exp(coalesce(sum(split_log) over (
            partition by symbol order by action_date desc rows between unbounded preceding and 1 preceding
        ), 0)) as cash
    from actions

),

periods as (

    select
        symbol,
        lag(action_date, 1, '1900-01-01'::date) over (partition by symbol order by action_date) as from_date,
        action_date as until_date,
        exp(sum(split_log) over (
            partition by symbol order by action_date desc rows between unbounded preceding and current row
        )) as split_factor,
        sum(cash) over (
            partition by symbol order by action_date desc rows between unbounded preceding and current row
        ) as dividends_after
    from converted

),

bars as (

    select
        bars.*,
        coalesce(periods.split_factor, 1)::float as split_factor,
        coalesce(periods.dividends_after, 0)::float as dividends_after
    from {{ ref('fact_intraday_metrics') }} as bars
    left join periods
        on
            bars.symbol = periods.symbol
            and coalesce(bars.session_date, bars.bar_start_at::date) >= periods.from_date
            and coalesce(bars.session_date, bars.bar_start_at::date) < periods.until_date

)

select
    bar_id,
    symbol,
    timespan,
    session_date,
    session_phase,
    bar_start_at,
    split_factor,
    dividends_after,
    open * split_factor as open,
    high * split_factor as high,
    low * split_factor as low,
    close * split_factor as close,
    volume / split_factor as volume,
    landed_at
from bars
