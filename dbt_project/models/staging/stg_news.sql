with source as (

    select * from {{ source('raw', 'raw_news') }}

),

renamed as (

    select
        -- ids
        payload:article_id::varchar || '|' || payload:symbol::varchar as news_id,
        payload:article_id::varchar as article_id,
        payload:symbol::varchar as symbol,

        -- strings
        payload:company::varchar as company,
        payload:title::varchar as title,
        payload:url::varchar as url,
        payload:publisher::varchar as publisher,
        payload:tickers::array as tickers,
        payload:sentiment::varchar as sentiment,
        payload:reasoning::varchar as reasoning,

        -- booleans
        coalesce(payload:withdrawn::boolean, false) as is_withdrawn,
        payload:source::varchar = 'live' as is_live,

        -- timestamps
        {{ from_epoch_ms('payload:published_ms') }} as article_published_at,
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
