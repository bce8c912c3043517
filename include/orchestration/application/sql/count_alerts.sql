-- Of the newest that match, so that a table of years costs no more than one of days.
select rule, count(*) as alerts, count(distinct symbol) as symbols, max(bar_at) as newest_at
from (
    select rule, symbol, bar_at
    from alerts
    where
        (%(symbol)s::text is null or symbol = %(symbol)s)
        and (%(rule)s::text is null or rule = %(rule)s)
        and (%(severity)s::text is null or severity = %(severity)s)
        and (%(kind)s::text is null or kind = %(kind)s)
        and (%(source)s::text is null or source = %(source)s)
        and (incident is null or symbol = %(symbol)s)
        and (%(since)s::timestamptz is null or bar_at >= %(since)s)
        and (%(until)s::timestamptz is null or bar_at < %(until)s)
    order by bar_at desc
    limit %(counted)s
) as newest
group by rule
order by alerts desc, rule asc
