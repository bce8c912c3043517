-- One page: what comes behind the last row of the page before, read from an index. A parameter that says nothing, and
-- what an order does not ask for, are gone before the statement is planned.
select
    alerts.alert_id, alerts.kind, alerts.rule, alerts.symbol, alerts.timespan, alerts.bar_at, alerts.severity,
    alerts.score, alerts.direction, alerts.value, alerts.threshold, alerts.baseline, alerts.session_phase,
    alerts.session_date, alerts.source, alerts.explanation, alerts.form, alerts.tag, alerts.tag_evidence,
    alerts.status, alerts.firings, alerts.inhibited_by, reviews.owner, reviews.reason, reviews.closed_by,
    reviews.signed_by, reviews.changed_at,
    coalesce(reviews.state, 'open') as state,
    coalesce(reviews.version, 0) as version
from alerts
left join reviews on alerts.alert_id = reviews.alert_id
where
    (%(symbol)s::text is null or alerts.symbol = %(symbol)s)
    and (%(rule)s::text is null or alerts.rule = %(rule)s)
    -- The second says what the first implies in words that PostgreSQL looks up in the index of the queue's order.
    and (
        %(tag)s::text is null
        or (
            alerts.tag = %(tag)s
            and (alerts.tag is not distinct from 'unexplained')
            <= (%(tag)s = 'unexplained')
        )
    )
    and (%(severities)s::text[] is null or alerts.severity = any(%(severities)s))
    and (%(kind)s::text is null or alerts.kind = %(kind)s)
    and (%(source)s::text is null or alerts.source = %(source)s)
    and (%(closed)s::boolean is null or alerts.closed = %(closed)s)
    -- What nobody has touched has no review: where only touched ones are asked for, their reviews are read first.
    and (
        %(states)s::text[] is null or reviews.state = any(%(states)s)
        or (%(untouched)s::boolean and reviews.state is null)
    )
    -- Whoever asks for his own is at few and has closed thousands: his reviews are read first.
    and (
        %(owner)s::text is null
        or alerts.alert_id = any(
            array(
                select owned.alert_id
                from reviews as owned
                where
                    owned.owner = %(owner)s
                    and (%(closed)s::boolean is null or (owned.state = 'closed') = %(closed)s)
            )
        )
    )
    and (
        %(text)s::text is null
        or lower(alerts.explanation) like
        '%%'
        || regexp_replace(
            lower(%(text)s),
            '([\\%%_])', '\\\1', 'g'
        ) || '%%'
    )
    and (
        alerts.incident is null or alerts.symbol = %(symbol)s
        or (%(alert_ids)s::text[] is not null and alerts.alert_id = any(%(alert_ids)s))
    )
    and (%(since)s::timestamptz is null or alerts.bar_at >= %(since)s)
    and (%(until)s::timestamptz is null or alerts.bar_at < %(until)s)
    and (%(alert_ids)s::text[] is null or alerts.alert_id = any(%(alert_ids)s))
    and (
        %(last_id)s::text is null
        or (
            case when %(order)s = 'priority' then alerts.tag is not distinct from 'unexplained' else false end,
            case when %(order)s = 'priority' then alerts.score else 0 end,
            alerts.bar_at,
            alerts.alert_id
        ) < (
            %(last_unexplained)s::boolean, %(last_score)s::double precision, %(last_bar_at)s::timestamptz,
            %(last_id)s::text
        )
    )
order by
    case when %(order)s = 'priority' then alerts.tag is not distinct from 'unexplained' else false end desc,
    case when %(order)s = 'priority' then alerts.score else 0 end desc,
    alerts.bar_at desc,
    alerts.alert_id desc
limit %(limit)s
