insert into report_signatures (session_date, sha256, content, signed_by)
values (%(session)s, decode(%(sha256)s, 'hex'), %(content)s, %(actor)s)
on conflict (session_date, sha256) do nothing
returning signed_at
