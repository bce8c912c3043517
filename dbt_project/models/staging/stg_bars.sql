with source as (

    select * from {{ source('raw', 'raw_bars') }}

),

renamed as (

    select
        -- ids
        event_id,
        payload:symbol::varchar as symbol,
        payload:timespan::varchar as timespan,

        -- numerics
        payload:open::float as open,
        payload:high::float as high,
        payload:low::float as low,
        payload:close::float as close,
        payload:volume::number(38, 8) as volume,
        payload:vwap::float as vwap,
        payload:trades::int as trades,

        -- booleans
        payload:delayed::boolean as is_delayed,
        payload:source::varchar = 'live' as is_live,

        -- timestamps
        {{ from_epoch_ms('payload:ts_ms') }} as bar_start_at,
        {{ from_epoch_ms('payload:polled_ms') }} as polled_at,
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
