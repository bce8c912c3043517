-- The profile that an alert cites is what explains it.
delete from raw.raw_profiles
where
    landed_at < %(before)s::timestamp_ntz
    and coalesce(
        payload:symbol::varchar
        || '|' || payload:timespan::varchar
        || '|' || payload:last_date::varchar
        || '|' || payload:revision::varchar,
        ''
    ) not in (
        select payload:symbol::varchar || '|' || payload:timespan::varchar || '|' || payload:profile_version::varchar
        from raw.raw_alerts
        where payload:profile_version::varchar is not null
    )
