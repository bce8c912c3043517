-- The profile that an alert cites is what explains it. It may be of the ticker before, so its symbol does not count.
delete from raw.raw_profiles
where
    landed_at < %(before)s::timestamp_ntz
    and coalesce(
        payload:timespan::varchar || '|' || payload:last_date::varchar || '|' || payload:revision::varchar, ''
    ) not in (
        select payload:timespan::varchar || '|' || payload:profile_version::varchar
        from raw.raw_alerts
        where payload:profile_version::varchar is not null
    )
