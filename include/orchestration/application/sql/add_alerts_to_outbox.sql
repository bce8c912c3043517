insert into outbox (channel, kind, subject, version, status, severity, known_at, message)
select
    wanted.channel, 'alert', news.record ->> 'event_id', news.version, news.record ->> 'status',
    news.record ->> 'severity', news.known_at,
    json_build_object(
        'record', news.record,
        'was', case when known.status not in ('retracted', 'ended') then known.severity end
    )
from
    json_to_recordset(%(news)s::json) as news (
        record json, version text, known_at timestamptz, rank integer, position integer
    )
cross join json_to_recordset(%(channels)s::json) as wanted (channel text, lowest_rank integer)  -- noqa: RF02
-- What this channel was last told of the alert.
left join lateral (
    select outbox.status, outbox.severity
    from outbox
    where
        outbox.subject = news.record ->> 'event_id' and outbox.channel = wanted.channel and outbox.kind = 'alert'
    order by outbox.outbox_id desc
    limit 1
) as known on true
-- A withdrawal and an end are for whoever was told of the alert.
where
    news.rank >= wanted.lowest_rank
    or (news.record ->> 'status' in ('retracted', 'ended') and known.status is not null)
order by news.position
on conflict (subject, channel, kind, version) do nothing
