with source as (

    select * from {{ source('raw', 'raw_watermarks') }}

),

renamed as (

    select
        -- ids
        payload:symbol::varchar as symbol,
        payload:timespan::varchar as timespan,

        -- strings
        payload:status::varchar as vendor_status,
        payload:reject_reasons::array as reject_reasons,

        -- numerics
        payload:bars::int as bars,
        payload:rejected::int as rejected_bars,

        -- booleans
        payload:source::varchar = 'live' as is_live,

        -- timestamps
        {{ from_epoch_ms('payload:from_ms') }} as asked_from_at,
        {{ from_epoch_ms('payload:as_of_ms') }} as asked_until_at,
        {{ from_epoch_ms('payload:polled_ms') }} as polled_at,
        kafka_timestamp as published_at,
        landed_at,

        -- where it came from
        kafka_partition,
        kafka_offset
    from source

)

select *
from renamed
