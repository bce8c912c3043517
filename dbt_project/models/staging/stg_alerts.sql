with source as (

    select * from {{ source('raw', 'raw_alerts') }}

),

renamed as (

    select
        -- ids
        event_id as alert_id,
        payload:symbol::varchar as symbol,
        payload:timespan::varchar as timespan,
        payload:article_id::varchar as article_id,
        payload:event_ids::array as event_ids,
        payload:tag_evidence::array as tag_evidence,

        -- strings
        payload:rule::varchar as rule,
        {{ alert_kind('payload:rule::varchar') }} as kind,
        payload:parameters_version::varchar as parameters_version,
        payload:form::varchar as form,
        payload:profile_version::varchar as profile_version,
        payload:status::varchar as status,
        payload:inhibited_by::varchar as inhibited_by,
        payload:hole_cause::varchar as hole_cause,
        payload:tag::varchar as tag,
        nullif(payload:direction::varchar, '') as direction,
        payload:severity::varchar as severity,
        payload:session_phase::varchar as session_phase,
        payload:explanation::varchar as explanation,

        -- numerics
        payload:rule_version::int as rule_version,
        payload:firings::int as firings,
        payload:value::float as value,
        payload:threshold::float as threshold,
        payload:baseline::float as baseline,
        payload:before_value::float as before_value,
        payload:before_threshold::float as before_threshold,
        payload:score::float as score,
        payload:rarity_sessions::float as rarity_sessions,
        payload:data_age_ms::int as data_age_ms,

        -- booleans
        payload:source::varchar = 'live' as is_live,

        -- dates and timestamps
        to_date(nullif(payload:session_date::varchar, '')) as session_date,
        {{ from_epoch_ms('payload:ts_ms') }} as bar_start_at,
        {{ from_epoch_ms('payload:bar_close_ms') }} as bar_close_at,
        {{ from_epoch_ms('payload:window_start_ms') }} as window_start_at,
        {{ from_epoch_ms('payload:window_end_ms') }} as window_end_at,
        {{ from_epoch_ms('payload:episode_start_ms') }} as episode_start_at,
        {{ from_epoch_ms('payload:hole_start_ms') }} as hole_start_at,
        {{ from_epoch_ms('payload:hole_end_ms') }} as hole_end_at,
        {{ from_header_ms('headers:polled_ms') }} as polled_at,
        {{ from_header_ms('headers:appended_ms') }} as appended_at,
        {{ from_header_ms('headers:detected_ms') }} as detected_at,
        kafka_timestamp as published_at,
        landed_at,

        -- where it came from
        kafka_partition,
        kafka_offset
    from source

)

select
    {{ message_id() }} as message_id,
    {{ bar_id() }} as bar_id,
    renamed.*
from renamed
