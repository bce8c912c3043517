select
    outbox_id, kind, subject, severity, known_at, refusals, version,
    case
        when kind = 'operations'
            then (
                select max(told.sent_at)
                from outbox as told
                where
                    told.subject = waiting.subject and told.channel = waiting.channel and told.kind = 'operations'
                    and told.outcome = 'told'
            )
    end as told_at
from outbox as waiting
where channel = %(channel)s and sent_at is null and (due_at is null or due_at <= %(now)s)
order by outbox_id
limit 20000
