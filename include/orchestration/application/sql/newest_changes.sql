-- What changes whenever an alert or what people do changes, each a look at the end of an index.
select
    (
        select coalesce((extract(epoch from max(last_seen_at)) * 1000000)::bigint, 0)
        from alerts
    ) as alerts,
    (
        select coalesce(max(audit_id), 0)
        from audit_log
    ) as acts
