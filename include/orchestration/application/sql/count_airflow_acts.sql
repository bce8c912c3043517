-- What people did in Airflow in that time, as far as it was copied, and until when it was.
select
    (
        select max(exported_at)
        from audit_log
        where log_id is not null
    ) as copied_at,
    (
        select
            coalesce(
                json_agg(
                    json_build_object('event', acts.event, 'dag_id', acts.dag_id, 'acts', acts.acts)
                    order by acts.event, acts.dag_id
                ), '[]'
            )
        from (
            select event, dag_id, count(*) as acts
            from audit_log
            where
                log_id is not null and event not in ('sign_in', 'sign_in_refused')
                and occurred_at >= %(since)s and occurred_at < %(until)s
            group by event, dag_id
        ) as acts
    ) as acts
