{{
    config(
        materialized='incremental',
        unique_key=['bar_start_at', 'event_id'],
        full_refresh=false,
        transient=false,
        cluster_by=['bar_start_at::date'],
        tmp_relation_type='table'
    )
}}

-- What the vendor has said of a bar at any time: of the messages that say the same the first.
with landed as (

    select * from {{ ref('stg_bars') }}
    {% if is_incremental() %}
        where landed_at >= {{ newest_landed(this, var('lookback_minutes')) }}
    {% endif %}

),

{% if is_incremental() %}
    known as (

        select
            bar_start_at,
            event_id
        from {{ this }}
        where bar_start_at >= (select min(landed.bar_start_at) from landed)

    ),
{% endif %}

firsts as (

    select *
    from landed
    qualify row_number() over (partition by bar_start_at, event_id order by published_at asc, kafka_offset asc) = 1

)

select
    firsts.event_id,
    firsts.bar_id,
    firsts.symbol,
    firsts.timespan,
    firsts.bar_start_at,
    firsts.open,
    firsts.high,
    firsts.low,
    firsts.close,
    firsts.volume,
    firsts.vwap,
    firsts.trades,
    firsts.is_live,
    firsts.published_at,
    firsts.landed_at,
    firsts.kafka_partition,
    firsts.kafka_offset
from firsts
{% if is_incremental() %}
    left join known on firsts.bar_start_at = known.bar_start_at and firsts.event_id = known.event_id
    where known.event_id is null
{% endif %}
