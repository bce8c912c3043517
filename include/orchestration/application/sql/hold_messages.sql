update outbox
set due_at = %(until)s
where outbox_id = any(%(ids)s)
