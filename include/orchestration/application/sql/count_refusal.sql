update outbox
set refusals = refusals + 1, refused_at = coalesce(refused_at, %(now)s), due_at = %(until)s
where outbox_id = any(%(ids)s)
returning refusals, refused_at
