-- The half-hours since 1970 of the last thirty days for which polls went.
select distinct floor((extract(epoch from interval_end) - 1) / 1800)::bigint
from batches
where
    stage = 'poll' and failed = 0 and interval_end is not null
    and ended_at >= now() - interval '30 days'
