insert into audit_log (occurred_at, event, actor, details, object_kind, object_id, before, after)
select now(), event, actor, details, object_kind, object_id, before, after
from
    json_to_recordset(%(acts)s::json)
        as acts (
            position integer,
            event text,
            actor text,
            details text,
            object_kind text,
            object_id text,
            before json,
            after json
        )
order by position
