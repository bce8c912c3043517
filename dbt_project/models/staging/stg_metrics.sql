with source as (

    select * from {{ source('raw', 'raw_metrics') }}

),

renamed as (

    select
        -- ids
        payload:symbol::varchar as symbol,
        payload:timespan::varchar as timespan,
        payload:bar_event_id::varchar as bar_event_id,

        -- strings
        payload:session_phase::varchar as session_phase,
        payload:profile_version::varchar as profile_version,

        -- numerics
        payload:volume_mean::float as volume_mean,
        payload:volume_ratio::float as volume_ratio,
        payload:log_return::float as log_return,
        payload:return_std::float as return_std,
        payload:return_std_p95::float as return_std_p95,
        payload:highest_high::float as highest_high,
        payload:lowest_low::float as lowest_low,
        payload:gap::float as gap,
        payload:rvol::float as rvol,
        payload:volume_z::float as volume_z,
        payload:volatility_ratio::float as volatility_ratio,
        payload:breakout_atr::float as breakout_atr,
        payload:gap_range::float as gap_range,
        payload:trade_size::float as trade_size,
        payload:vwap_distance::float as vwap_distance,

        -- booleans
        payload:source::varchar = 'live' as is_live,

        -- dates and timestamps
        to_date(nullif(payload:session_date::varchar, '')) as session_date,
        {{ from_epoch_ms('payload:ts_ms') }} as bar_start_at,
        kafka_timestamp as published_at,
        landed_at,

        -- where it came from
        kafka_partition,
        kafka_offset
    from source

)

select
    {{ bar_id() }} as bar_id,
    renamed.*
from renamed
