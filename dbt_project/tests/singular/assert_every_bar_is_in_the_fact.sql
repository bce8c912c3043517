-- A row: a bar that landed a while ago and is missing from the fact, or is there in an older revision.
-- The lookback was too short: find out what landed so late, and run once with a longer lookback_minutes.
with landed as (

    select * from {{ ref('stg_bars') }}
    where
        {{ recent(ref('int_bars')) }}
        and landed_at < {{ newest_landed(ref('int_bars'), var('settle_minutes')) }}
    qualify row_number() over (partition by bar_id order by published_at desc, kafka_offset desc) = 1

),

known as (

    select * from {{ ref('int_bars') }}
    where bar_start_at >= (select min(landed.bar_start_at) from landed)

),

facts as (

    select * from {{ ref('fact_intraday_metrics') }}
    where bar_start_at >= (select min(landed.bar_start_at) from landed)

)

select
    landed.bar_id,
    landed.landed_at
from landed
left join known on landed.bar_start_at = known.bar_start_at and landed.bar_id = known.bar_id
left join facts on landed.bar_start_at = facts.bar_start_at and landed.bar_id = facts.bar_id
where
    known.bar_id is null
    or known.published_at < landed.published_at
    or facts.bar_id is null
    or facts.event_id <> known.event_id
