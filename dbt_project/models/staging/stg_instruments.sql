with source as (

    select * from {{ source('raw', 'raw_instruments') }}

),

renamed as (

    select
        -- ids
        event_id,
        payload:symbol::varchar as symbol,
        payload:cik::varchar as cik,
        payload:composite_figi::varchar as composite_figi,
        payload:share_class_figi::varchar as share_class_figi,

        -- strings
        payload:name::varchar as name,
        payload:market::varchar as market,
        payload:type::varchar as type,
        payload:primary_exchange::varchar as primary_exchange,
        payload:currency::varchar as currency,
        payload:previous_symbol::varchar as previous_symbol,

        -- booleans
        payload:active::boolean as is_active,

        -- dates
        payload:ticker_since::date as ticker_since,
        payload:delisted_on::date as delisted_on,

        -- timestamps
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
