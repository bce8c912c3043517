-- Of each of these sessions how many live alerts there are, how many are not closed, and who has signed what last.
select
    wanted.session, counts.alerts, counts.waiting, signatures.sha256, signatures.signed_by, signatures.signed_at
from unnest(%(sessions)s::text[]) as wanted (session)
cross join lateral (
    select count(*) as alerts, count(*) filter (where not closed) as waiting
    from alerts
    where source = 'live' and session_date = wanted.session and incident is null
) as counts
left join lateral (
    select encode(report_signatures.sha256, 'hex') as sha256, report_signatures.signed_by, report_signatures.signed_at
    from report_signatures
    where report_signatures.session_date = wanted.session
    order by report_signatures.signed_at desc
    limit 1
) as signatures on true
order by wanted.session desc
