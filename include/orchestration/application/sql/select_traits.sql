-- What a silence is held against.
select rule, symbol, timespan, tag, severity
from alerts
where
    source = 'live' and bar_at >= %(since)s
    and (%(symbol)s::text is null or symbol = %(symbol)s)
    and (%(rule)s::text is null or rule = %(rule)s)
