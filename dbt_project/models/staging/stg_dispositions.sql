with source as (

    select * from {{ source('raw', 'raw_dispositions') }}

),

renamed as (

    select
        -- ids
        event_id as disposition_id,
        payload:alert_id::varchar as alert_id,
        payload:audit_id::int as audit_id,

        -- strings
        payload:event::varchar as act,
        payload:actor::varchar as actor,
        payload:state::varchar as review_state,
        payload:owner::varchar as review_owner,
        payload:reason::varchar as reason,
        payload:disposition::varchar as disposition,
        payload:closed_by::varchar as closed_by,
        payload:signed_by::varchar as signed_by,

        -- numerics
        payload:version::int as review_version,

        -- timestamps
        {{ from_epoch_ms('payload:occurred_ms') }} as occurred_at,
        kafka_timestamp as published_at,
        landed_at,

        -- where it came from
        kafka_partition,
        kafka_offset
    from source

)

select *
from renamed
