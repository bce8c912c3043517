{{ config(materialized='view') }}

-- A bar before a split is in other shares than one after it, and a bar before a dividend has its cash in the price:
-- adjusted, all are as those of the newest session. What is only announced changes nothing yet.
with bars as (

    select
        *,
        coalesce(session_date, bar_start_at::date) as traded_on
    from {{ ref('fact_intraday_metrics') }}

),

actions as (

    select * from {{ ref('fact_corporate_actions') }}
    where not is_withdrawn and action_date <= (select max(session_date) from {{ ref('dim_market_sessions') }})

),

splits as (

    select
        symbol,
        action_date,
        split_from / split_to as factor
    from actions
    where action = 'split' and split_from > 0 and split_to > 0

),

-- of each dividend the last close with it
closes as (

    select
        actions.symbol,
        actions.action_date,
        any_value(actions.cash_amount) as cash_amount,
        max_by(bars.close, bars.bar_start_at) as close
    from actions
    inner join bars on actions.symbol = bars.symbol and actions.action_date > bars.traded_on
    where
        actions.action = 'dividend'
        and (bars.timespan = 'day' or bars.session_phase in ('opening_auction', 'regular', 'closing_auction'))
    group by actions.symbol, actions.action_date

),

factors as (

    select
        symbol,
        action_date,
        factor as split_factor,
        1::float as dividend_factor
    from splits
    union all
    -- the cash is that of a share of its own day
    select
        closes.symbol,
        closes.action_date,
        1::float as split_factor,
        1 - closes.cash_amount / (closes.close * coalesce(splits.factor, 1)) as dividend_factor
    from closes
    left join splits on closes.symbol = splits.symbol and closes.action_date = splits.action_date
    where closes.cash_amount < closes.close * coalesce(splits.factor, 1)

),

dated as (

    select
        symbol,
        action_date,
        sum(ln(split_factor)) as split_log,
        sum(ln(dividend_factor)) as dividend_log
    from factors
    group by symbol, action_date

),

periods as (

    select
        symbol,
        lag(action_date, 1, '1900-01-01'::date) over (partition by symbol order by action_date) as from_date,
        action_date as until_date,
        exp(
            sum(split_log) over (
                partition by symbol order by action_date desc rows between unbounded preceding and current row
            )
        ) as split_factor,
        exp(
            sum(dividend_log) over (
                partition by symbol order by action_date desc rows between unbounded preceding and current row
            )
        ) as dividend_factor
    from dated

),

matched as (

    select
        bars.*,
        coalesce(periods.split_factor, 1)::float as split_factor,
        coalesce(periods.dividend_factor, 1)::float as dividend_factor,
        coalesce(periods.split_factor * periods.dividend_factor, 1)::float as price_factor
    from bars
    left join periods
        on
            bars.symbol = periods.symbol
            and bars.traded_on >= periods.from_date
            and bars.traded_on < periods.until_date

)

select
    bar_id,
    symbol,
    timespan,
    session_date,
    session_phase,
    bar_start_at,
    split_factor,
    dividend_factor,
    open * price_factor as open,
    high * price_factor as high,
    low * price_factor as low,
    close * price_factor as close,
    volume / split_factor as volume,
    landed_at
from matched
