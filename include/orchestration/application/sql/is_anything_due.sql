select
    exists (
        select 1
        from outbox
        where channel = %(channel)s and sent_at is null and (due_at is null or due_at <= %(now)s)
    )
    and not exists (
        select 1 from channels
        where channel = %(channel)s and due_at > %(now)s
    )
