-- A row: a bar that landed a while ago and is missing from the fact, or is there with older values.
-- The lookback was too short: run once with --full-refresh, and find out what landed so late.
select
    bars.bar_id,
    bars.landed_at
from {{ ref('stg_bars') }} as bars
left join {{ ref('fact_intraday_metrics') }} as facts on bars.bar_id = facts.bar_id
where
    (facts.bar_id is null or facts.close <> bars.close or facts.volume <> bars.volume)
    and bars.landed_at < {{ newest_landed(ref('fact_intraday_metrics'), var('settle_minutes')) }}
