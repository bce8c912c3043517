-- A row: a fact that does not carry the version of its instrument that held when its bar started.
-- The version was learnt of longer than heal_hours after it: the nightly build, which heals all, mends that.
with facts as (

    select
        'fact_intraday_metrics' as fact,
        bar_id as id,
        symbol,
        instrument_key,
        bar_start_at
    from {{ ref('fact_intraday_metrics') }}
    where {{ recent(ref('fact_intraday_metrics')) }}
    union all
    select
        'fact_alerts' as fact,
        alert_id as id,
        symbol,
        instrument_key,
        bar_start_at
    from {{ ref('fact_alerts') }}
    where {{ recent(ref('fact_alerts')) }}

)

select
    facts.fact,
    facts.id,
    facts.instrument_key,
    instruments.instrument_key as expected
from facts
left join {{ ref('dim_instruments') }} as instruments
    on facts.symbol = instruments.symbol and {{ as_of('facts.bar_start_at', 'instruments') }}
where facts.instrument_key <> coalesce(instruments.instrument_key, {{ unknown_instrument() }})
