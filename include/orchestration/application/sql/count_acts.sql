-- What people did at the desk in that time; what was done with a report is no part of one.
select object_kind, event, count(*) as acts, count(distinct actor) as people
from audit_log
where
    object_kind is not null and object_kind <> 'report' and occurred_at >= %(since)s and occurred_at < %(until)s
group by object_kind, event
