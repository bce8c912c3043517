with source as (

    select * from {{ source('raw', 'raw_corporate_actions') }}

),

renamed as (

    select
        -- ids: a message that takes an action back has nothing else
        event_id as action_id,
        split_part(event_id, '|', 1) as action,
        iff(split_part(event_id, '|', 2) like '>%', null, split_part(event_id, '|', 2)) as symbol,
        iff(
            split_part(event_id, '|', 2) like '>%',
            substr(split_part(event_id, '|', 2), 2),
            nullif(payload:new_symbol::varchar, '')
        ) as new_symbol,
        payload:composite_figi::varchar as composite_figi,

        -- strings
        payload:currency::varchar as cash_currency,

        -- numerics
        payload:split_from::float as split_from,
        payload:split_to::float as split_to,
        payload:cash_amount::float as cash_amount,

        -- booleans
        payload is null as is_withdrawn,

        -- dates and timestamps
        split_part(event_id, '|', 3)::date as action_date,
        kafka_timestamp as published_at,
        landed_at,

        -- where it came from
        kafka_partition,
        kafka_offset
    from source

)

select *
from renamed
