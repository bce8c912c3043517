select rule, count(*) as alerts, count(distinct symbol) as symbols, max(bar_at) as newest_at
from alerts
where
    (%(symbol)s::text is null or symbol = %(symbol)s)
    and (%(rule)s::text is null or rule = %(rule)s)
    and (%(severity)s::text is null or severity = %(severity)s)
    and (%(since)s::timestamptz is null or bar_at >= %(since)s)
    and (%(until)s::timestamptz is null or bar_at < %(until)s)
group by rule
order by alerts desc, rule asc
