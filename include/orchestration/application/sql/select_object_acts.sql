select audit_id, occurred_at, event, actor, details, object_kind, object_id, before, after
from audit_log
where
    (%(object_kind)s::text is null or object_kind = %(object_kind)s)
    and (%(object_id)s::text is null or object_id = %(object_id)s)
    and object_kind is not null
    and (%(before)s::bigint is null or audit_id < %(before)s)
order by audit_id desc
limit %(limit)s
