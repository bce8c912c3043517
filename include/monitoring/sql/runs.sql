-- Runs that have ended since a moment.
select
    stage,
    ended_at,
    extract(epoch from ended_at - started_at)::double precision,
    failed > 0,
    coalesce(rows, 0)
from batches
where ended_at > %(since)s
order by ended_at
