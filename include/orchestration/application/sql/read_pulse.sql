-- What the application's database knows of how far the platform is, of live alerts since then.
select
    (
        select max(coalesce(interval_end, ended_at))
        from batches
        where stage = 'land' and ended_at >= %(since)s
    ) as landed_at,
    (
        select min(known_at)
        from outbox
        where sent_at is null and channel = any(%(channels)s)
    ) as waiting_since,
    (
        select coalesce(json_object_agg(open.severity, open.alerts), '{}')
        from (
            select severity, count(*) as alerts
            from alerts
            where
                kind = 'market' and source = 'live' and not closed and incident is null and bar_at >= %(since)s
            group by severity
        ) as open
    ) as open_alerts,
    (
        select count(*)
        from silences
        where begins_at <= %(now)s and ends_at > %(now)s
    ) as silences
