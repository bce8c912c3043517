select
    case_id, title, narrative, alerts, status, opened_by, submitted_by, signed_by, version, changed_at
from cases
where
    (%(status)s::text is null or status = %(status)s)
    and (%(alert_id)s::text is null or alerts @> array[%(alert_id)s::text])
    and (%(case_id)s::bigint is null or case_id = %(case_id)s)
    and (%(before)s::bigint is null or case_id < %(before)s)
order by case_id desc
limit %(limit)s
