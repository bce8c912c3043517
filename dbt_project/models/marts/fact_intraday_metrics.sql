{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='bar_id',
        on_schema_change='append_new_columns'
    )
}}

-- Rows land while a build runs: one whose instrument is younger than its dimension waits for the next.
with joined as (

    select
        -- ids
        bars.bar_id,
        instruments.instrument_key,
        metrics.session_date,
        bars.symbol,
        bars.timespan,
        bars.bar_start_at,

        -- the bar
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        bars.vwap,
        bars.trades,
        bars.is_delayed,
        bars.is_live,

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
        metrics.bar_event_id = bars.event_id as is_measured_on_latest_bar,

        -- timestamps
        bars.polled_at,
        metrics.measured_at,
        greatest(bars.landed_at, coalesce(metrics.landed_at, bars.landed_at)) as landed_at
    from {{ ref('stg_bars') }} as bars
    inner join {{ ref('dim_instruments') }} as instruments
        on bars.symbol = instruments.symbol and {{ as_of('bars.bar_start_at', 'instruments') }}
    left join {{ ref('stg_metrics') }} as metrics on bars.bar_id = metrics.bar_id

)

select * from joined
{% if is_incremental() %}
    where
        landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
        -- a bar that is fetched again, unchanged, when its metric has left RAW stays measured
        and not exists (
            select 1 from {{ this }} as known
            where
                known.bar_id = joined.bar_id and known.is_measured and not joined.is_measured
                and known.close = joined.close and known.volume = joined.volume
        )
{% endif %}
