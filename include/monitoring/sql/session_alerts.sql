-- How many live market alerts the newest session has.
select
    timespan,
    count(*)
from alerts
where
    kind = 'market' and source = 'live' and incident is null
    and bar_at >= now() - interval '2 days'
    and session_date = (
        select max(newest.session_date)
        from alerts as newest
        where newest.source = 'live' and newest.bar_at >= now() - interval '2 days'
    )
group by timespan
