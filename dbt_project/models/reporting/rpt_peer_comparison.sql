{%- set measures = ['session_return', 'relative_volume'] -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='session_date',
        transient=false
    )
}}

-- Peers are symbols of one liquidity: of the vendor's records none says which companies do the same.
with chosen as (

    select distinct session_date
    from {{ ref('rpt_symbol_day') }}
    {% if is_incremental() %}
        where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
    {% endif %}

),

-- twenty sessions and what is shut between them
days as (

    select * from {{ ref('rpt_symbol_day') }}
    where
        bars > 0
        and session_date <= (select max(chosen.session_date) from chosen)
        and session_date >= (select dateadd('day', -40, min(chosen.session_date)) from chosen)

),

usual as (

    select
        *,
        close / nullif(open, 0) - 1 as session_return,
        avg(turnover) over (
            partition by symbol order by session_date rows between 20 preceding and 1 preceding
        ) as usual_turnover
    from days

),

placed as (

    select
        usual.*,
        usual.turnover / nullif(usual.usual_turnover, 0) as relative_volume,
        -- the bounds of the profiles
        case
            when coalesce(usual.usual_turnover, usual.turnover) >= 50000000 then 'liquid'
            when coalesce(usual.usual_turnover, usual.turnover) >= 5000000 then 'mid'
            else 'thin'
        end as liquidity
    from usual
    inner join chosen on usual.session_date = chosen.session_date

),

peers as (

    select
        session_date,
        liquidity,
        count(*) as symbols,
        {% for measure in measures %}
            percentile_cont(0.5) within group (order by {{ measure }}) as {{ measure }},
        {% endfor %}
        avg(alerts) as alerts
    from placed
    group by session_date, liquidity

)

select
    placed.symbol,
    placed.session_date,
    placed.liquidity,
    peers.symbols - 1 as peers,
    placed.usual_turnover,
    {% for measure in measures %}
        placed.{{ measure }},
        peers.{{ measure }} as median_{{ measure }},
    {% endfor %}
    placed.alerts,
    peers.alerts::float as mean_alerts,
    rank() over (
        partition by placed.session_date, placed.liquidity
        order by abs(placed.session_return - peers.session_return) desc nulls last
    ) as return_rank,
    rank() over (
        partition by placed.session_date, placed.liquidity order by placed.relative_volume desc nulls last
    ) as volume_rank,
    rank() over (partition by placed.session_date, placed.liquidity order by placed.alerts desc) as alerts_rank,
    placed.landed_at
from placed
inner join peers on placed.session_date = peers.session_date and placed.liquidity = peers.liquidity
