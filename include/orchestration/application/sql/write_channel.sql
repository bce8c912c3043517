insert into channels (channel, failures, failing_since, error, due_at, accepted_at, rows_at_once)
values (
    %(channel)s, %(failures)s, %(failing_since)s, %(error)s, %(due_at)s, %(accepted_at)s, %(rows_at_once)s
)
on conflict (channel) do update
    set
        (failures, failing_since, error, due_at, accepted_at, rows_at_once) = (
            excluded.failures, excluded.failing_since, excluded.error, excluded.due_at, excluded.accepted_at,
            excluded.rows_at_once
        )
