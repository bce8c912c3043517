-- One page: what comes behind the last row of the page before. Its order is four numbers and the id, all rising.
select
    alert_id, kind, rule, symbol, timespan, bar_at, severity, score, direction, value, threshold, session_phase,
    session_date, source, explanation, form, tag, tag_evidence, status, firings, inhibited_by, state, owner, reason,
    closed_by, signed_by, version, changed_at, explained, points, age
from (
    select
        alerts.*, reviews.owner, reviews.reason, reviews.closed_by, reviews.signed_by, reviews.changed_at,
        coalesce(reviews.state, 'open') as state,
        coalesce(reviews.version, 0) as version,
        case when %(order)s = 'priority' then (alerts.tag is distinct from 'unexplained')::integer else 0 end
            as explained,
        case when %(order)s = 'priority' then -alerts.score else 0 end as points,
        -extract(epoch from alerts.bar_at)::double precision as age
    from alerts
    left join reviews on alerts.alert_id = reviews.alert_id
    where
        (%(symbol)s::text is null or alerts.symbol = %(symbol)s)
        and (%(rule)s::text is null or alerts.rule = %(rule)s)
        and (%(tag)s::text is null or alerts.tag = %(tag)s)
        and (%(severities)s::text[] is null or alerts.severity = any(%(severities)s))
        and (%(kind)s::text is null or alerts.kind = %(kind)s)
        and (%(source)s::text is null or alerts.source = %(source)s)
        and (%(states)s::text[] is null or coalesce(reviews.state, 'open') = any(%(states)s))
        and (%(owner)s::text is null or reviews.owner = %(owner)s)
        and (%(text)s::text is null or strpos(lower(alerts.explanation), lower(%(text)s)) > 0)
        and (alerts.incident is null or alerts.symbol = %(symbol)s or alerts.alert_id = %(alert_id)s)
        and (%(since)s::timestamptz is null or alerts.bar_at >= %(since)s)
        and (%(until)s::timestamptz is null or alerts.bar_at < %(until)s)
        and (%(alert_id)s::text is null or alerts.alert_id = %(alert_id)s)
) as matching
where
    %(explained)s::integer is null
    or (explained, points, age, alert_id) > (
        %(explained)s::integer, %(points)s::double precision, %(age)s::double precision, %(last_id)s::text
    )
order by explained, points, age, alert_id
limit %(limit)s
