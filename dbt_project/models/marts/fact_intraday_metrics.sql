{{
    config(
        materialized='incremental',
        unique_key=['bar_start_at', 'bar_id'],
        full_refresh=false,
        transient=false,
        cluster_by=['bar_start_at::date'],
        tmp_relation_type='table'
    )
}}

{#- A fact that an earlier version has built is joined anew, as far as RAW still has its bars. -#}
{%- set continues = is_incremental() and not lacks_column(this, 'event_id') -%}

with instruments as (

    select * from {{ ref('dim_instruments') }}

),

{% if continues %}
    -- by the time of what is here: an instrument that has not changed since is no reason to read its facts
    learnt as (

        select distinct symbol
        from instruments
        {% if not var("whole") %}
            where landed_at >= {{ newest_landed(this, 60 * var('heal_hours')) }}
        {% endif %}

    ),

    changed as (

        select
            bar_start_at,
            bar_id
        from {{ ref('int_bars') }}
        where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
        union distinct
        select
            bar_start_at,
            bar_id
        from {{ ref('int_metrics') }}
        where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
        union distinct
        -- Heal: a version that was learnt of late, or in the wrong order, covers bars that are here already.
        select
            facts.bar_start_at,
            facts.bar_id
        from {{ this }} as facts
        inner join learnt on facts.symbol = learnt.symbol
        left join instruments
            on facts.symbol = instruments.symbol and {{ as_of('facts.bar_start_at', 'instruments') }}
        where facts.instrument_key <> coalesce(instruments.instrument_key, {{ unknown_instrument() }})

    ),

    -- No bar and no metric from before the first of these is read.
    bars as (

        select * from {{ ref('int_bars') }}
        where bar_start_at >= (select min(changed.bar_start_at) from changed)

    ),

    metrics as (

        select * from {{ ref('int_metrics') }}
        where bar_start_at >= (select min(changed.bar_start_at) from changed)

    ),

    chosen as (

        select bars.*
        from bars
        inner join changed on bars.bar_start_at = changed.bar_start_at and bars.bar_id = changed.bar_id

    )
{% else %}
    chosen as (

        select * from {{ ref('int_bars') }}

    ),

    metrics as (

        select * from {{ ref('int_metrics') }}

    )
{% endif %}

select
    -- ids
    chosen.bar_id,
    chosen.event_id,
    coalesce(instruments.instrument_key, {{ unknown_instrument() }}) as instrument_key,
    metrics.session_date,
    chosen.symbol,
    chosen.timespan,
    chosen.bar_start_at,

    -- the bar
    chosen.open,
    chosen.high,
    chosen.low,
    chosen.close,
    chosen.volume,
    chosen.vwap,
    chosen.trades,
    chosen.is_delayed,
    chosen.is_live,

    -- what detection measured at it
    metrics.session_phase,
    metrics.volume_mean,
    metrics.volume_ratio,
    metrics.log_return,
    metrics.return_std,
    metrics.return_std_p95,
    metrics.highest_high,
    metrics.lowest_low,
    metrics.gap,
    metrics.rvol,
    metrics.volume_z,
    metrics.volatility_ratio,
    metrics.breakout_atr,
    metrics.gap_range,
    metrics.trade_size,
    metrics.vwap_distance,
    metrics.profile_version,
    metrics.bar_id is not null as is_measured,
    metrics.bar_event_id = chosen.event_id as is_measured_on_latest_bar,

    -- timestamps
    chosen.polled_at,
    metrics.published_at as measured_at,
    greatest(chosen.landed_at, coalesce(metrics.landed_at, chosen.landed_at)) as landed_at
from chosen
left join instruments
    on chosen.symbol = instruments.symbol and {{ as_of('chosen.bar_start_at', 'instruments') }}
left join metrics on chosen.bar_start_at = metrics.bar_start_at and chosen.bar_id = metrics.bar_id
