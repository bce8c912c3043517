insert into outbox (channel, kind, subject, version, severity, known_at, message)
select
    wanted.channel,
    'operations' as kind,
    %(cause)s as subject,
    %(occurrence)s as version,
    'critical' as severity,
    %(now)s as known_at,
    %(message)s::json as message
from unnest(%(channels)s::text[]) as wanted (channel)
on conflict (subject, channel, kind, version) do nothing
