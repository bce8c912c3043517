{{ config(materialized='view') }}

-- What a record's id is made of says what it is: symbol|timespan|ms|revision is a bar, article|symbol|revision news,
-- symbol|timespan|watermark|ms|source a watermark, rule|symbol|timespan|ms|v1 another alert.
with cited as (

    select
        events.alert_id,
        named.value::varchar as event_id,
        min(events.published_at) as cited_at,
        max(events.landed_at) as landed_at
    from {{ ref('fact_alert_events') }} as events,
        lateral flatten(input => events.event_ids) as named
    group by events.alert_id, named.value::varchar

),

parts as (

    select
        *,
        split_part(event_id, '|', 1) as symbol,
        split_part(event_id, '|', 2) as timespan,
        split_part(event_id, '|', 3) as third,
        split_part(event_id, '|', 4) as fourth,
        split_part(event_id, '|', 5) as fifth,
        {{ from_header_ms("split_part(event_id, '|', 3)") }} as bar_start_at
    from cited

),

kinds as (

    select
        *,
        case
            when third = 'watermark' then 'watermark'
            when fifth like 'v%' then 'alert'
            when fourth <> '' and fifth = '' and bar_start_at is not null then 'bar'
            when third <> '' and fourth = '' then 'news'
        end as evidence_kind
    from parts

)

select
    alert_id,
    event_id,
    evidence_kind,
    iff(evidence_kind = 'bar', {{ bar_id() }}, null) as bar_id,
    iff(evidence_kind = 'news', symbol || '|' || timespan, null) as news_id,
    iff(evidence_kind = 'alert', event_id, null) as member_alert_id,
    cited_at,
    landed_at
from kinds
