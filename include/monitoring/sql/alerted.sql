-- The half-hours since 1970 of the last thirty days in which each rule alerted, of bars of each timespan.
select distinct
    rule,
    timespan,
    floor(extract(epoch from bar_at) / 1800)::bigint
from alerts
where
    kind = 'market' and source = 'live'
    and bar_at >= now() - interval '30 days'
