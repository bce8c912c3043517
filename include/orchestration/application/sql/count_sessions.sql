-- Of each of these sessions how many live alerts there are, how many are not closed, and who has signed what last.
with counts as (
    select session_date, count(*) as alerts, count(*) filter (where not closed) as waiting
    from alerts
    where source = 'live' and session_date = any(%(sessions)s) and incident is null
    group by session_date
),

signatures as (
    select distinct on (session_date) session_date, encode(sha256, 'hex') as sha256, signed_by, signed_at
    from report_signatures
    where session_date = any(%(sessions)s)
    order by session_date asc, signed_at desc
)

select
    wanted.session,
    coalesce(counts.alerts, 0) as alerts,
    coalesce(counts.waiting, 0) as waiting,
    signatures.sha256, signatures.signed_by, signatures.signed_at
from unnest(%(sessions)s::text[]) as wanted (session)
left join counts on wanted.session = counts.session_date
left join signatures on wanted.session = signatures.session_date
order by wanted.session desc
