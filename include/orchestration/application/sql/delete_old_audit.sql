-- From the oldest on, so that what is left is one chain.
delete from audit_log
where
    audit_id < coalesce(
        (
            select min(audit_id) from audit_log
            where occurred_at >= %(before)s
        ),
        (select max(audit_id) + 1 from audit_log)
    )
