-- Live market alerts that wait at the desk, those of a market event as one.
select
    severity,
    count(*),
    extract(epoch from min(bar_at))::double precision
from alerts
where kind = 'market' and source = 'live' and not closed and incident is null
group by severity
